// Subscriptions over the WebSocket that Node and every browser has, as R4 and the subscriptions backport have them.
import assert from 'node:assert/strict';
import { base, finish, login, patient, phq9, step } from './service.mjs';

const backport = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/';
const { access_token: token } = await login('system/*.cruds');

async function call(method, path, body) {
  const answer = await fetch(`${base}/${path}`, {
    method, headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/fhir+json' }) }, body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

// listen opens a websocket; `next` waits for the next message.
async function listen(url) {
  const socket = new WebSocket(url);
  const heard = [];
  const waiting = [];
  socket.onmessage = ({ data }) => (waiting.shift() ?? ((one) => heard.push(one)))(data);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return { socket, next: async () => heard.shift() ?? new Promise((resolve) => waiting.push(resolve)) };
}

const parameter = (resource, name) => resource.parameter.filter((p) => p.name === name);
const told = (text) => {
  const bundle = JSON.parse(text);
  const status = bundle.entry[0].resource;
  return {
    bundle, type: parameter(status, 'type')[0].valueCode,
    numbers: parameter(status, 'notification-event').map((e) => Number(e.part.find((p) => p.name === 'event-number').valueString)),
  };
};

let topic;
let criteria;
await step('subscriptions with the channel websocket are active at once', async () => {
  topic = await call('POST', 'Subscription', {
    resourceType: 'Subscription', status: 'requested', reason: 'alerts on a page', criteria: 'https://github.com/rapport-health/rapport/fhir/SubscriptionTopic/care-alert',
    _criteria: { extension: [{ url: `${backport}backport-filter-criteria`, valueString: 'DetectedIssue?code=phq9-item-9' }] },
    channel: { type: 'websocket', payload: 'application/fhir+json', _payload: { extension: [{ url: `${backport}backport-payload-content`, valueCode: 'id-only' }] } },
  });
  criteria = await call('POST', 'Subscription', {
    resourceType: 'Subscription', status: 'requested', reason: 'alerts on a page', criteria: 'DetectedIssue?code=phq9-item-9', channel: { type: 'websocket' },
  });
  assert.deepEqual([topic.status, criteria.status], ['active', 'active']);
});

let url;
await step('the CapabilityStatement and the token say where', async () => {
  const statement = await call('GET', 'metadata');
  url = statement.rest[0].extension.find((e) => e.url.endsWith('/capabilitystatement-websocket')).valueUri;
  assert.match(url, /^ws:/);
});

await step('bind-with-token, a handshake, an event; bound and ping as in plain R4', async () => {
  const binding = await call('GET', `Subscription/$get-ws-binding-token?id=${topic.id}&id=${criteria.id}`);
  assert.equal(parameter(binding, 'websocket-url')[0].valueUrl, url);
  assert.deepEqual(parameter(binding, 'subscription').map((p) => p.valueString), [topic.id, criteria.id]);
  const { socket, next } = await listen(url);
  socket.send(`bind-with-token ${parameter(binding, 'token')[0].valueString}`);
  const first = [await next(), await next()];
  assert.ok(first.includes(`bound ${criteria.id}`), first);
  assert.equal(told(first.find((m) => m.startsWith('{'))).type, 'handshake');
  await call('PUT', 'Patient/ws-1', { ...patient('ws-1', 'Socket'), id: 'ws-1' });
  await call('POST', 'QuestionnaireResponse', phq9('Patient/ws-1', '2026-01-05T09:00:00Z', [2, 2, 2, 2, 2, 2, 2, 2, 2]));
  const then = [await next(), await next()];
  assert.ok(then.includes(`ping ${criteria.id}`), then);
  const event = told(then.find((m) => m.startsWith('{')));
  assert.deepEqual([event.type, event.numbers], ['event-notification', [1]]);
  const issue = await call('GET', event.bundle.entry[1].fullUrl.slice(base.length + 1));
  assert.equal(issue.code.coding[0].code, 'phq9-item-9');
  socket.close();
});

await step('who is not known binds nothing', async () => {
  const { socket, next } = await listen(url);
  socket.send(`bind ${criteria.id}`);
  assert.equal(JSON.parse(await next()).issue[0].code, 'login');
  socket.close();
});

finish();
