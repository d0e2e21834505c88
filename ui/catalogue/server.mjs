// Serves the catalogue on loopback under the same content security policy as the web crate.
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { readFileSync, existsSync } from "node:fs";
import { liveMessages, recordingLines } from "./canned.mjs";
import { render } from "./render.mjs";

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const kinds = { css: "text/css", js: "text/javascript", svg: "image/svg+xml", txt: "text/plain" };
const pages = { first: "/", plan: "/plans", form: "/plans", login: "", report: "/plans", live: "/sessions", replay: "/sessions" };

function frame(text) {
  const body = Buffer.from(text);
  const head = body.length < 126 ? Buffer.from([0x81, body.length])
    : body.length < 65536 ? Buffer.from([0x81, 126, body.length >> 8, body.length & 255])
    : Buffer.concat([Buffer.from([0x81, 127, 0, 0, 0, 0]), Buffer.from([body.length >>> 24, (body.length >> 16) & 255, (body.length >> 8) & 255, body.length & 255])]);
  return Buffer.concat([head, body]);
}

/** Starts the server; `drops` is how many live connections are cut before one is left alone. */
export async function serve({ port = 0, drops = 0 } = {}) {
  let left = drops;
  const sockets = new Set();
  let fragments = 0;
  const posts = [];
  const server = createServer((request, response) => {
    const address = new URL(request.url, "http://localhost");
    const send = (status, type, body) => response.writeHead(status, {
      "Content-Type": `${type}; charset=utf-8`, "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
    }).end(body);
    const asset = /^\/assets\/([\w.-]+)$/.exec(address.pathname)?.[1];
    if (asset) {
      const file = new URL(`../dist/${asset}`, import.meta.url);
      return existsSync(file) ? send(200, kinds[asset.split(".").pop()], readFileSync(file)) : send(404, "text/plain", "no");
    }
    if (request.method === "POST") {
      let body = "";
      request.on("data", (chunk) => (body += chunk));
      request.on("end", () => { posts.push({ path: address.pathname, body }); send(address.pathname === "/keepalive" ? 204 : 200, "text/html", address.pathname === "/keepalive" ? "" : "<!doctype html><title>posted</title>posted"); });
      return undefined;
    }
    if (address.pathname === "/fragment") {
      fragments += 1;
      return send(200, "text/html", `<p id="tick">更新 ${fragments}</p><input id="inside" type="checkbox" aria-label="inside">`);
    }
    if (address.pathname.endsWith("/recording")) return send(200, "application/x-ndjson", recordingLines().join("\n") + "\n");
    const name = address.pathname.slice(1) || "first";
    if (!(name in pages)) return send(404, "text/plain", "no");
    const lang = address.searchParams.get("lang") ?? "ja";
    const more = name === "login" ? { nav: null, me: null } : {};
    return send(200, "text/html", render(name, pages[name], lang, more));
  });
  server.on("upgrade", (request, socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    const messages = liveMessages();
    const cutAt = left > 0 ? ((left -= 1), 3) : Infinity;
    let index = 0;
    const turn = () => {
      if (socket.destroyed) return;
      if (index >= cutAt) { socket.destroy(); return; }
      const message = messages[index];
      if (!message) return;
      index += 1;
      socket.write(frame(JSON.stringify(message)));
      setTimeout(turn, 15);
    };
    turn();
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    posts,
    stop: () => { for (const socket of sockets) socket.destroy(); server.closeAllConnections(); return new Promise((done) => server.close(done)); },
  };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { url } = await serve({ port: Number(process.env.PORT ?? 8099) });
  console.log(Object.keys(pages).map((name) => `${url}/${name}`).join("\n"));
}
