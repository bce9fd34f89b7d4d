/**
 * Helpers around the document, used by all.
 */

export const $ = (id) => document.getElementById(id);

/**
 * A new element. Text in `children` stays text, whatever it contains.
 * @param {Object<string, any>} [attributes] a function is a listener: {click: f}; true an attribute without value
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function show(node, visible) {
  node.hidden = !visible;
}

/** Says it to who cannot see the page. */
export function announce(text) {
  $("live").textContent = text;
}

/** Shows what is wrong beside a control, or that nothing is. */
export function complain(control, note, text) {
  note.textContent = text;
  control.setAttribute("aria-invalid", text ? "true" : "false");
}

export const sleep = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
