// Builds ui/dist: each file under a name that carries its hash, and manifest.json that maps the plain name to it.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "dist");

// The web crate embeds these under their hashed names and serves them as immutable.
const entries = { app: "src/app.ts", terminal: "src/terminal.ts" };
const sheets = { app: "src/css/app.css", terminal: "src/css/terminal.css" };
const images = ["src/img/logo.svg"];

// xterm writes <style> elements and a style attribute, which `style-src 'self'` forbids. Its option for another document
// does not reach all of those places (6.0.0), so they are rewritten here: constructed style sheets and the CSSOM hold
// the same rules and the policy allows them. The counts make the build fail when another version has other places.
const strictStyles = {
  name: "strict-styles",
  setup(builder) {
    builder.onLoad({ filter: /@xterm[\\/]xterm[\\/]lib[\\/]xterm\.mjs$/ }, async ({ path }) => {
      let text = await readFile(path, "utf8");
      const rewrite = (pattern, expected, replacement) => {
        const found = text.match(pattern)?.length ?? 0;
        if (found !== expected) throw new Error(`xterm has ${found} places like ${pattern}, not ${expected}: look at them anew`);
        text = text.replace(pattern, replacement);
      };
      rewrite(/[\w$]+(?:\.[\w$]+)?\.createElement\("style"\)/g, 3, "sekishoSheet()");
      rewrite(/([\w$]+)\.setAttribute\("style",(`[^`]*`)\)/g, 1, "$1.style.cssText=$2");
      rewrite(/createElement\(["'`]style|setAttribute\(["'`]style|innerHTML|insertAdjacentHTML/g, 0, "$&");
      const sheet = JSON.stringify(join(here, "src/terminal/sheet.ts"));
      return { contents: `import { sheetElement as sekishoSheet } from ${sheet};\n${text}`, loader: "js" };
    });
  },
};

const shared = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  legalComments: "none",
  metafile: true,
  outdir: "dist",
  entryNames: "[name]-[hash]",
  target: ["chrome111", "firefox115", "safari16.4"],
  logLevel: "warning",
};

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });

const manifest = {};
const scripts = await build({ ...shared, entryPoints: entries, format: "iife", plugins: [strictStyles] });
const styles = await build({ ...shared, entryPoints: sheets });
for (const result of [scripts, styles]) {
  for (const [file, info] of Object.entries(result.metafile.outputs)) {
    if (!info.entryPoint) continue;
    const name = basename(file);
    manifest[name.replace(/-[A-Z0-9]{8}(\.[a-z]+)$/, "$1")] = name;
  }
}
for (const image of images) {
  const bytes = await readFile(join(here, image));
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
  const extension = extname(image);
  const plain = basename(image);
  const name = `${basename(image, extension)}-${hash}${extension}`;
  await writeFile(join(out, name), bytes);
  manifest[plain] = name;
}
// The licences of what is bundled travel with it.
const licences = ["@xterm/xterm", "@digital-go-jp/design-tokens"];
let notices = "";
for (const name of licences) {
  const folder = join(here, "node_modules", name);
  const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  notices += `${name} ${version}\n\n${await readFile(join(folder, "LICENSE"), "utf8")}\n\n`;
}
await writeFile(join(out, "third-party.txt"), notices);
manifest["third-party.txt"] = "third-party.txt";

const sorted = Object.fromEntries(Object.entries(manifest).sort(([a], [b]) => (a < b ? -1 : 1)));
await writeFile(join(out, "manifest.json"), `${JSON.stringify(sorted, null, 2)}\n`);
for (const [name, file] of Object.entries(sorted)) console.log(`${name} -> ${file}`);
