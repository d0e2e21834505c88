// What the catalogue's pages show: made-up data of a made-up hospital.
import { readFileSync } from "node:fs";

const words = JSON.parse(readFileSync(new URL("./words.json", import.meta.url), "utf8"));
const assets = () => JSON.parse(readFileSync(new URL("../dist/manifest.json", import.meta.url), "utf8"));

// A square of modules that looks like a code; the real one comes from the server.
function pattern() {
  let path = "";
  let seed = 7;
  const finder = (x, y) => [[0, 0], [14, 0], [0, 14]].some(([fx, fy]) => x >= fx && x < fx + 7 && y >= fy && y < fy + 7);
  for (let y = 0; y < 21; y += 1) {
    for (let x = 0; x < 21; x += 1) {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      if (!finder(x, y) && seed % 5 < 2) path += `M${x} ${y}h1v1h-1z`;
    }
  }
  for (const [x, y] of [[0, 0], [14, 0], [0, 14]]) path += `M${x} ${y}h7v7h-7zM${x + 1} ${y + 1}v5h5v-5zM${x + 2} ${y + 2}h3v3h-3z`;
  return `<svg viewBox="-1 -1 23 23"><path fill="#000" fill-rule="evenodd" d="${path}"/></svg>`;
}

const nav = (current, ja) => [
  ["/", "home", ja ? "今すること" : "To do now", 4],
  ["/plans", "list", ja ? "作業計画" : "Work plans", 0],
  ["/sessions", "screen", ja ? "作業中・記録" : "Sessions", 1],
  ["/targets", "server", ja ? "接続先" : "Targets", 0],
  ["/people", "people", ja ? "担当者" : "People", 0],
  ["/vendors", "building", ja ? "事業者" : "Vendors", 0],
  ["/log", "log", ja ? "証跡" : "Audit log", 0],
].map(([href, icon, label, count]) => ({ href, icon, label, count, current: href === current }));

/** The variables of one page in one language. */
export function context(current, lang = "ja", more = {}) {
  const ja = lang === "ja";
  const now = Date.now();
  return {
    lang,
    now_ms: now,
    title: ja ? "部品" : "Components",
    facility: ja ? "青葉総合病院" : "Aoba General Hospital",
    csrf: "catalogue",
    assets: assets(),
    release: "0.1.0",
    me: { name: ja ? "佐藤 由美" : "Yumi Sato", org: ja ? "情報システム室" : "IT office", roles: ja ? ["企画管理者"] : ["Planner"] },
    person_links: [{ href: "/me", label: ja ? "自分の設定" : "My settings" }],
    nav: nav(current, ja),
    flash: [],
    idle_seconds: 900,
    keepalive: "/keepalive",
    soon: now + 7 * 60_000,
    later: now + 65 * 60_000,
    last: now + 95_000,
    past: now - 60_000,
    qr_svg: pattern(),
    words: words[lang],
    t: (key) => words[lang][key] ?? key,
    ...more,
  };
}
