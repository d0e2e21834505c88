// Renders the catalogue's pages from the same templates that the web crate uses.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { context } from "./context.mjs";

const { Environment } = createRequire(import.meta.url)("minijinja-js");
const ours = new URL("./", import.meta.url);
const webs = new URL("../../crates/web/templates/", import.meta.url);

/** The HTML of one page; `name` without its ending. */
export function render(name, current, lang, more) {
  const environment = new Environment();
  for (const file of ["layout.html", "components.html"]) environment.addTemplate(file, readFileSync(new URL(file, webs), "utf8"));
  for (const file of readdirSync(ours).filter((entry) => entry.endsWith(".html"))) {
    environment.addTemplate(file, readFileSync(new URL(file, ours), "utf8"));
  }
  const { t, ...variables } = context(current, lang, more);
  environment.addGlobal("t", t);
  return environment.renderTemplate(`${name}.html`, variables);
}
