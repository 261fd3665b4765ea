// npm oidc-provider at the addresses of Microsoft Entra, as an independent judge of graph-auth.
// Standard input: one line of JSON {tenant, resource, clients}. Standard output: one line of JSON {url} once it listens.
// It ends when its standard input does.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import Provider from 'oidc-provider';

// Standard output carries the one line only; nobody reads it after that.
console.info = console.error;
console.log = console.error;

const lines = createInterface({ input: process.stdin });
const { value } = await lines[Symbol.asyncIterator]().next();
const { tenant, resource, clients } = JSON.parse(value);

const server = createServer();
await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
const origin = `http://127.0.0.1:${server.address().port}`;
const prefix = `/${tenant}`;
const scope = `${resource}/.default`;

const provider = new Provider(`${origin}${prefix}/v2.0`, {
  clients,
  // What Entra calls a scope stands for the whole resource.
  scopes: ['openid', 'offline_access', scope],
  routes: {
    token: '/oauth2/v2.0/token',
    authorization: '/oauth2/v2.0/authorize',
    device_authorization: '/oauth2/v2.0/devicecode',
    jwks: '/discovery/v2.0/keys',
  },
  pkce: { required: () => true },
  clockTolerance: 0,
  clientAuthMethods: ['client_secret_post', 'private_key_jwt', 'none'],
  enabledJWA: { clientAuthSigningAlgValues: ['PS256', 'RS256'] },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope, audience: resource, accessTokenTTL: 3600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  // The judge's own tokens carry the tenant, as Entra's do.
  extraTokenClaims: () => ({ tid: tenant }),
  issueRefreshToken: async (ctx, client, code) => client.grantTypeAllowed('refresh_token')
    && code.scopes.has('offline_access'),
  rotateRefreshToken: true,
  findAccount: (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  ttl: { ClientCredentials: 3600, DeviceCode: 600 },
  cookies: { keys: ['not-a-secret'] },
});

const handle = provider.callback();
server.on('request', (request, response) => {
  if (request.url.startsWith(prefix)) {
    let inner = request.url.slice(prefix.length).replace(/^\/v2\.0(?=\/\.well-known\/)/, '');
    // OpenID Connect gives a refresh token only to who asks for consent again; Entra does without.
    if (inner.startsWith('/oauth2/v2.0/authorize?')) inner += '&prompt=consent';
    request.url = inner;
    request.originalUrl = `${prefix}${inner}`;
  }
  handle(request, response);
});
lines.on('close', () => process.exit(0));
process.stdout.write(`${JSON.stringify({ url: origin })}\n`);
