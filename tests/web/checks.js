/**
 * Rules of WCAG 2.1 that can be measured, for the tests to run inside the page. Each gives the list of what breaks it.
 */
(() => {
  const parse = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, below) => ({
    r: top.r * top.a + below.r * (1 - top.a),
    g: top.g * top.a + below.g * (1 - top.a),
    b: top.b * top.a + below.b * (1 - top.a),
    a: 1,
  });
  const luminance = ({ r, g, b }) => {
    const linear = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ratio = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };

  /** What is behind an element; under something half transparent there may be any picture. */
  const grounds = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.a === 0) continue;
      layers.unshift(color);
      if (color.a === 1) break;
    }
    const white = { r: 255, g: 255, b: 255, a: 1 }, black = { r: 0, g: 0, b: 0, a: 1 };
    return [white, black].map((bottom) => layers.reduce((below, top) => over(top, below), bottom));
  };
  const visible = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest(".hidden");
  const name = (e) => `${e.tagName}#${e.id}.${e.className} ${e.textContent.trim().slice(0, 30)}`;

  /** Text below 4.5:1. */
  const contrast = () => {
    const wrong = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const e = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || !visible(e) || e.closest(":disabled, noscript, script")) continue;
      const color = parse(getComputedStyle(e).color);
      const least = Math.min(...grounds(e).map((ground) => ratio(over(color, ground), ground)));
      if (least < 4.5) wrong.push(`${name(e)}: ${least.toFixed(2)}`);
    }
    for (const e of document.querySelectorAll("input, textarea")) {
      const color = parse(getComputedStyle(e, "::placeholder").color);
      const least = Math.min(...grounds(e).map((ground) => ratio(color, ground)));
      if (visible(e) && !e.disabled && e.placeholder && least < 4.5)
        wrong.push(`${name(e)} placeholder: ${least.toFixed(2)}`);
    }
    return wrong;
  };

  /** Edges of controls below 3:1 (what has no edge is recognised by its text). */
  const edges = () => [...document.querySelectorAll("input, select, textarea")]
    .filter((e) => visible(e) && !e.disabled && e.type !== "file")
    .filter((e) => ratio(parse(getComputedStyle(e).borderTopColor), grounds(e.parentElement)[0]) < 3).map(name);

  /** Controls smaller than 24 by 24 pixels. */
  const targets = () => [...document.querySelectorAll("button, a, input, select, textarea, summary")]
    .filter((e) => visible(e) && e.type !== "file")
    .filter((e) => e.getBoundingClientRect().width < 24 || e.getBoundingClientRect().height < 24).map(name);

  /** What sticks out of the window to the side. */
  const overflow = () => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > width + 1).map(name);
  };

  /** Ids used twice, and references to none. */
  const references = () => {
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    const wrong = ids.filter((id, i) => ids.indexOf(id) !== i);
    for (const attribute of ["for", "aria-labelledby", "aria-describedby"])
      for (const e of document.querySelectorAll(`[${attribute}]`))
        wrong.push(...e.getAttribute(attribute).split(/\s+/).filter((id) => !ids.includes(id)));
    return wrong;
  };

  return [contrast, edges, targets, overflow, references].flatMap((rule) =>
    rule().map((what) => `${rule.name}: ${what}`));
})();
