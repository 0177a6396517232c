package transports

import "net/http"

// noticeServer has the endpoint warn if the server of a request is shut down and the
// endpoint is not, which leaves clients of WebSockets connected to a program that goes, and
// makes [http.Server.Shutdown] wait for all others.
func (e *Endpoint) noticeServer(r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return
	}
	if _, known := e.servers.LoadOrStore(server, struct{}{}); !known {
		server.RegisterOnShutdown(e.warnOfServerShutdown)
	}
}

func (e *Endpoint) warnOfServerShutdown() {
	e.mu.RLock()
	open, stopped, counts := len(e.connections), e.stopped, e.counts
	e.mu.RUnlock()
	for _, count := range counts {
		open += count()
	}
	if open > 0 && !stopped {
		e.opts.logger.Warn("the http.Server is shutting down with clients connected: call Shutdown of what serves them first", "connections", open)
	}
}

// Count has the endpoint count the connections of another that its clients have, for its
// warning if an http.Server is shut down under them.
func (p Policy) Count(connections func() int) {
	p.endpoint.mu.Lock()
	defer p.endpoint.mu.Unlock()
	p.endpoint.counts = append(p.endpoint.counts, connections)
}
