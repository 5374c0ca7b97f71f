// An identity provider for tests: oidc-provider with people whom the test names, who sign in without being asked. It prints its
// issuer's address, and ends with its standard input.
//
// node provider.mjs MODULES REDIRECT_URI...
//
// POST /test {"who": "ann", "people": {"ann": {"name": …, "groups": […]}}, "id_token_seconds": 300} changes who signs in and as what.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [modules, ...redirectUris] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

const state = { who: "", people: {}, id_token_seconds: 300 };

const client = (id, secret) => ({
    client_id: id,
    client_secret: secret,
    redirect_uris: redirectUris,
    grant_types: ["authorization_code"],
    response_types: ["code"],
});

const findAccount = (_, sub) =>
    state.people[sub] && { accountId: sub, claims: () => ({ sub, ...state.people[sub] }) };

let provider;

// Whoever signs in is signed in, and agrees.
async function signIn(request, response) {
    const { params, prompt } = await provider.interactionDetails(request, response);
    const grant = new provider.Grant({ accountId: state.who, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    const result = { login: { accountId: state.who }, consent: { grantId: await grant.save() } };
    if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(" "));
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

async function told(request, response) {
    let text = "";
    for await (const piece of request) text += piece;
    Object.assign(state, JSON.parse(text));
    response.end();
}

const server = createServer((request, response) => {
    const failed = (error) => response.writeHead(500).end(String(error));
    if (request.url === "/test") return told(request, response).catch(failed);
    if (request.url.startsWith("/interaction/")) return signIn(request, response).catch(failed);
    return provider.callback()(request, response);
});

server.listen(0, "127.0.0.1", () => {
    const issuer = `http://127.0.0.1:${server.address().port}`;
    provider = new Provider(issuer, {
        clients: [client("npanel", "a secret & more"), client("another", "another secret")],
        scopes: ["openid", "email", "profile", "groups"],
        claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
        features: { devInteractions: { enabled: false } },
        interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
        pkce: { required: () => true },
        cookies: { keys: ["only a test's"] },
        ttl: { IdToken: () => state.id_token_seconds, Session: 60, Interaction: 60, Grant: 60, AccessToken: 60 },
        findAccount,
    });
    console.log(issuer);
});

process.stdin.resume().on("end", () => process.exit(0));
