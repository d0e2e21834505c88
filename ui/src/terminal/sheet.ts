// Stands where xterm wants a <style> element, which a policy without 'unsafe-inline' forbids: the same rules go into
// a constructed style sheet, which it allows. build.mjs puts calls of this function into xterm.

/** An inert element whose text is a style sheet of the document for as long as the element is not removed. */
export function sheetElement(): HTMLElement {
  const sheet = new CSSStyleSheet();
  const element: HTMLElement = document.createElement("template");
  let text = "";
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperties(element, {
    textContent: {
      get: () => text,
      set: (value: string) => {
        text = value;
        sheet.replaceSync(value);
      },
    },
    remove: {
      value: () => {
        document.adoptedStyleSheets = document.adoptedStyleSheets.filter((entry) => entry !== sheet);
        Element.prototype.remove.call(element);
      },
    },
  });
  return element;
}
