// Makes elements without any parsing of markup: text is always text.

type Attributes = Record<string, string | number | boolean | undefined>;

/** An element with attributes and children; strings become text nodes. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

const shapes = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M7.5 4.5v15M16.5 4.5v15",
  again: "M4 12a8 8 0 1 0 3-6.2M7 2v4.5h4.5",
  back: "m11 5-7 7 7 7M20 5l-7 7 7 7",
  forward: "m13 5 7 7-7 7M4 5l7 7-7 7",
  warning: "M12 3 1.8 20.5h20.4zM12 10v5M12 17.8v.2",
  eye: "M2 12s3.5-6.5 10-6.5S22 12 22 12s-3.5 6.5-10 6.5S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  stop: "M8.5 8.5h7v7h-7zM12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19z",
  wait: "M12 6.5V12l3.5 2.5M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19z",
  up: "M12 20V5M5.5 11 12 4.5 18.5 11",
  down: "M12 4v15M5.5 13 12 19.5 18.5 13",
  trash: "M4 6.5h16M9 6.5V3.5h6v3M6 6.5 7 21h10l1-14.5",
  move: "M4 12h15M13.5 6.5 19 12l-5.5 5.5",
  flag: "M5 21V4M5 4h12l-2.5 4L17 12H5",
  talk: "M3 4.5h18v12H10l-5 4v-4H3zM7.5 9h9M7.5 12.5h6",
  stamp: "M9 14c0-3-1.5-4-1.5-6.5a4.5 4.5 0 0 1 9 0C16.5 10 15 11 15 14M5 14h14v4H5zM5 21.5h14",
  file: "M6 2.5h8l5 5v14H6zM14 2.5v5h5",
} as const;

export type Shape = keyof typeof shapes;

/** A decorative icon; what it means stands beside it in words. */
export function icon(shape: Shape): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", shapes[shape]);
  svg.append(path);
  return svg;
}
