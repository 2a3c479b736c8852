// A certified OpenID provider with people of our choosing: node server.mjs, then one JSON line on
// standard output says where it listens. It reads who exists from standard input, one JSON line.
import http from 'node:http';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const lines = createInterface({ input: process.stdin });
const given = JSON.parse(await new Promise((resolve) => lines.once('line', resolve)));
process.stdin.on('end', () => process.exit(0)); // it dies with whoever started it

const server = http.createServer();
await new Promise((resolve) => server.listen(given.port ?? 0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

// Jobs get signed tokens for whatever audience they ask for, as those of a CI service do.
const jobs = given.jobs ?? {};
const jobClients = Object.keys(jobs).map((id) => ({
  client_id: id,
  client_secret: 'only-for-tests',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
}));

const provider = new Provider(issuer, {
  clients: [...given.clients, ...jobClients],
  extraTokenClaims: (_context, token) => jobs[token.clientId],
  claims: { openid: ['sub'], profile: ['name', 'groups', 'hd', '_claim_names'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  // Whom it tells of departures listens on loopback here, which its own dispatcher refuses to reach.
  fetch: (url, { dispatcher: _, ...options }) => globalThis.fetch(url, options),
  cookies: { keys: ['only for tests'] },
  ttl: { Session: 600, Interaction: 600, Grant: 600, AccessToken: 600, IdToken: given.idTokenSeconds ?? 600 },
  jwks: given.jwks,
  features: {
    devInteractions: { enabled: true },
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, audience) => ({
        scope: '',
        audience,
        accessTokenTTL: 300,
        accessTokenFormat: 'jwt',
      }),
    },
    rpInitiatedLogout: { enabled: true },
  },
  findAccount: (_context, subject) => ({
    accountId: subject,
    claims: () => ({ sub: subject, ...(given.people[subject] ?? {}) }),
  }),
});
server.on('request', provider.callback());
process.stdout.write(`${JSON.stringify({ issuer })}\n`);
lines.on('line', (line) => { // whoever started it changes who exists
  Object.assign(given.people, JSON.parse(line).people ?? {});
});
