// A real OpenID provider (oidc-provider) for tests, and what a bent one would answer: its tokens can be changed on their way.
import https from "node:https";
import Provider from "oidc-provider";
import { CompactSign, exportJWK, generateKeyPair } from "jose";

const given = JSON.parse(process.argv[2]);
// Nobody reads what the library would like to say beside the one line at the start.
console.info = console.warn = () => {};
process.stdout.on("error", () => {});

// It lives in the time of the test, and never in the past: browsers drop cookies that have run out.
const real = Date.now.bind(Date);
const ahead = Math.max(0, given.now - real());
Date.now = () => real() + ahead;

const [keys, stolen] = await Promise.all([generateKeyPair("ES256", { extractable: true }), generateKeyPair("ES256", { extractable: true })]);
const kid = "one";
const jwk = { ...(await exportJWK(keys.privateKey)), kid, alg: "ES256", use: "sig" };

let bent = "";
let provider;

const encode = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const sign = (payload, key, header) => new CompactSign(Buffer.from(JSON.stringify(payload))).setProtectedHeader(header).sign(key);

async function bend(token) {
  const payload = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: "ES256", kid };
  const changes = {
    nonce: { nonce: "another" }, "no nonce": { nonce: undefined }, audience: { aud: "somebody-else" }, audiences: { aud: [given.client, "somebody-else"] },
    party: { azp: "somebody-else" }, issuer: { iss: "https://evil.test" }, expired: { exp: now - 100 }, old: { iat: now - 4000 }, early: { iat: now + 4000 },
    "no sign-in time": { auth_time: undefined }, "old sign-in": { auth_time: now - 4000 }, "later sign-in": { auth_time: now + 4000 },
  };
  if (bent in changes) return sign({ ...payload, ...changes[bent] }, keys.privateKey, header);
  if (bent === "unsigned") return `${encode({ alg: "none" })}.${encode(payload)}.`;
  if (bent === "symmetric") return sign(payload, Buffer.from(given.secret), { alg: "HS256" });
  if (bent === "key") return sign(payload, stolen.privateKey, header);
  if (bent === "unknown key") return sign(payload, stolen.privateKey, { alg: "ES256", kid: "two" });
  if (bent === "malformed") return "a.b.c";
  return token;
}

async function body(request) {
  let text = "";
  for await (const part of request) text += part;
  return new URLSearchParams(text);
}

async function interact(request, response) {
  if (request.method !== "POST") {
    const { uid } = await provider.interactionDetails(request, response);
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><html lang="ja"><title>病院ID</title><main><h1>病院ID</h1><form method="post" action="/interaction/${uid}"><label>ID <input name="account"></label><label><input type="checkbox" name="amr" value="mfa"> MFA</label><button>サインイン</button></form></main></html>`);
    return;
  }
  const form = await body(request);
  const result = form.get("refuse") ? { error: "access_denied" } : { login: { accountId: form.get("account"), amr: form.getAll("amr") } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const server = https.createServer({ cert: given.chain, key: given.key }, async (request, response) => {
  try {
    const url = new URL(request.url, "https://localhost");
    if (url.pathname === "/bend") {
      bent = url.searchParams.get("how") ?? "";
      response.end(bent);
    } else if (url.pathname.startsWith("/interaction/")) await interact(request, response);
    else provider.callback()(request, response);
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
});

server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  provider = new Provider(`https://localhost:${port}`, {
    clients: [{ client_id: given.client, client_secret: given.secret, redirect_uris: given.redirects, id_token_signed_response_alg: "ES256", grant_types: ["authorization_code"], response_types: ["code"] }],
    jwks: { keys: [jwk] },
    claims: { openid: ["sub", "amr"], profile: ["employee_number"] },
    scopes: ["openid", "profile"],
    conformIdTokenClaims: false,
    cookies: { keys: ["test"] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, employee_number: `E-${sub.split(".")[0]}` }) }),
    // The hospital has agreed for its staff.
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope("openid profile");
      await grant.save();
      return grant;
    },
  });
  provider.use(async (ctx, next) => {
    await next();
    if (bent && ctx.body?.id_token) ctx.body.id_token = await bend(ctx.body.id_token);
  });
  console.log(JSON.stringify({ port, now: Date.now() }));
});

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
