/** An HTTP client for a connection that notes each request: its method, URL and status ("open", "failed" or the number). */
export function recording(signalR) {
  const inner = new signalR.DefaultHttpClient(signalR.NullLogger.instance);
  const requests = [];
  class Recording extends signalR.HttpClient {
    async send(request) {
      const entry = { method: request.method, url: request.url, status: "open" };
      requests.push(entry);
      try {
        const response = await inner.send(request);
        entry.status = response.statusCode;
        return response;
      } catch (error) {
        entry.status = "failed";
        throw error;
      }
    }
    getCookieString(url) {
      return inner.getCookieString(url);
    }
  }
  return { client: new Recording(), requests };
}
