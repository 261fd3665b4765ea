// Microsoft's MSAL for Node signs in to the simulated tenant over https, by secret and by certificate.
// Usage: node login.mjs path/of/tenant-sim
import { execFileSync, spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { ConfidentialClientApplication } from '@azure/msal-node';

const GRAPH = 'https://graph.microsoft.com/.default';
const GRAPH_API = '00000003-0000-0000-c000-000000000000';

function check(truth, seen) {
  if (!truth) throw new Error(JSON.stringify(seen) ?? 'not so');
}

function claims(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
}

// A fresh MSAL object per case.
function app(told, auth) {
  return new ConfidentialClientApplication({
    auth: {
      clientId: told.setup_client_id,
      authority: `${told.https_url}/${told.tenant_id}`,
      knownAuthorities: [new URL(told.https_url).host],
      ...auth,
    },
  });
}

const token = (told, auth) => app(told, auth).acquireTokenByClientCredential({ scopes: [GRAPH] });

async function refused(told, auth, status, error, number) {
  try {
    await token(told, auth);
  } catch (seen) {
    check(seen.errorCode === error && String(seen.errorNo) === String(number) && seen.status === status, seen);
    return;
  }
  throw new Error('accepted');
}

async function graph(told, secret, method, path, body, headers = {}) {
  const { accessToken } = await token(told, { clientSecret: secret });
  const answer = await fetch(`${told.https_url}/v1.0${path}`, {
    method,
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  check(answer.ok, { status: answer.status, method, path });
  const text = await answer.text();
  return text ? JSON.parse(text) : undefined;
}

// An app with a certificate, registered by the set-up identity.
async function register(told, secret, folder) {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=msal-node-peer',
    '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const pem = readFileSync(cert, 'utf8');
  const der = new X509Certificate(pem).raw;
  const made = await graph(told, secret, 'PATCH', "/applications(uniqueName='msal-node-peer')",
    { displayName: 'msal-node peer', signInAudience: 'AzureADMyOrg' }, { prefer: 'create-if-missing' });
  await graph(told, secret, 'PATCH', `/applications/${made.id}`,
    { keyCredentials: [{ type: 'AsymmetricX509Cert', usage: 'Verify', key: der.toString('base64') }] });
  const principal = await graph(told, secret, 'POST', '/servicePrincipals', { appId: made.appId });
  const api = await graph(told, secret, 'GET', `/servicePrincipals(appId='${GRAPH_API}')`);
  const role = api.appRoles.find((r) => r.value === 'Mail.Read' && r.isEnabled);
  await graph(told, secret, 'POST', `/servicePrincipals/${api.id}/appRoleAssignedTo`,
    { principalId: principal.id, resourceId: api.id, appRoleId: role.id });
  const thumbprint = (algorithm) => createHash(algorithm).update(der).digest('hex');
  return {
    client: made.appId, principal: principal.id, privateKey: readFileSync(key, 'utf8'), sha1: thumbprint('sha1'), sha256: thumbprint('sha256'),
  };
}

async function cases(told, folder) {
  const secret = readFileSync(told.setup_secret_file, 'utf8');
  let registered;
  const certificate = (thumbprint) => ({
    clientId: registered.client, clientCertificate: { privateKey: registered.privateKey, ...thumbprint },
  });
  const by_certificate = async (thumbprint) => {
    const found = claims((await token(told, certificate(thumbprint))).accessToken);
    check(found.appidacr === '2' && found.oid === registered.principal && found.roles.join() === 'Mail.Read', found);
  };
  return [
    ['secret', async () => {
      const found = claims((await token(told, { clientSecret: secret })).accessToken);
      check(found.appid === told.setup_client_id && found.tid === told.tenant_id && found.idtyp === 'app', found);
    }],
    ['PS256 with x5t#S256', async () => {
      registered = await register(told, secret, folder);
      await by_certificate({ thumbprintSha256: registered.sha256 });
    }],
    ['RS256 with x5t', () => by_certificate({ thumbprint: registered.sha1 })],
    ['wrong secret', () => refused(told, { clientSecret: 'not~the.secret' }, 401, 'invalid_client', 7000215)],
    ['unknown certificate', () => refused(told, certificate({ thumbprintSha256: '00'.repeat(32) }), 401, 'invalid_client', 700027)],
  ];
}

// With the tenant's own certificate authority trusted.
async function judge(told, folder) {
  let [passed, failed] = [0, 0];
  const all = await cases(told, folder);
  for (const [name, run] of all) {
    try {
      await run();
      passed += 1;
      console.log(`ok     ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}: ${error.name}: ${error.message}`);
    }
  }
  console.log(`msal-node: ${passed} passed, ${failed} failed`);
  return failed === 0 && passed === 5 ? 0 : 1;
}

// Starts the tenant, then this program again with its certificate authority, which Node reads at its start only.
async function start(binary) {
  const folder = mkdtempSync(join(tmpdir(), 'msal-node-'));
  const tenant = spawn(binary, ['serve', '--system-clock', '--propagation', 'instant',
    '--ca-file', join(folder, 'ca.pem'), '--secret-file', join(folder, 'secret')], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const { value } = await createInterface({ input: tenant.stdout })[Symbol.asyncIterator]().next();
    check(value, 'tenant-sim printed nothing');
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--judge', value, folder],
      { stdio: 'inherit', env: { ...process.env, NODE_EXTRA_CA_CERTS: JSON.parse(value).ca_file } });
    return await new Promise((ended) => { child.on('exit', (code) => ended(code ?? 1)); });
  } finally {
    tenant.kill();
    rmSync(folder, { recursive: true });
  }
}

const [first, told, folder] = process.argv.slice(2);
process.exit(first === '--judge' ? await judge(JSON.parse(told), folder) : await start(first));
