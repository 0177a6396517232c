import assert from "node:assert/strict";

/** Checks that nothing sticks out to the side, and that text stands out from its ground as WCAG AA demands. */
export async function legible(page) {
  const problems = await page.evaluate(() => {
    const found = [];
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) {
      found.push(`the page is ${scrollWidth} px wide on ${clientWidth} px`);
    }
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return canvas.getImageData(0, 0, 1, 1).data;
    };
    const luminance = (colour) => {
      const [r, g, b] = [...rgba(colour)].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
      while (rgba(getComputedStyle(element).backgroundColor)[3] < 255) {
        element = element.parentElement;
      }
      return getComputedStyle(element).backgroundColor;
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let checked = 0;
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (walker.currentNode.data.trim() === "" || !element.checkVisibility() || element.closest("noscript, .unseen, .skip")) {
        continue;
      }
      const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      checked++;
      if (contrast < 4.5) {
        found.push(`"${walker.currentNode.data}" has a contrast of ${contrast.toFixed(1)}`);
      }
    }
    return checked > 0 ? found : ["there is no text"];
  });
  assert.deepEqual(problems, []);
}
