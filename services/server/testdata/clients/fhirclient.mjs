// SMART's fhirclient 2.6.3, unmodified, on the side of a server. It has no backend login of its own: the token comes
// from the token endpoint, and the client is given the answer.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import FHIR from 'fhirclient';
import { base, finish, heartRate, lines, login, outcome, patient, pause, phq9, step } from './service.mjs';

const asked = { url: '/', headers: { host: 'app.example.org' }, socket: {} };
let client;
const smart = (tokenResponse) => FHIR(asked, {}).client({ serverUrl: base, tokenResponse });

// refused wants an error of a status, which carries an OperationOutcome.
async function refused(status, call) {
  let answer;
  try {
    answer = await call;
  } catch (error) {
    assert.equal(error.status, status, String(error.stack));
    return outcome(JSON.parse(error.message.slice(error.message.indexOf('{')))); // where the client puts the body
  }
  assert.fail(`answered, and not refused with ${status}: ${JSON.stringify(answer)}`);
}

await step('version and release of FHIR', async () => {
  client = smart();
  assert.equal(await client.getFhirVersion(), '4.0.1');
  assert.equal(await client.getFhirRelease(), 4);
});

await step('login by client_credentials with private_key_jwt', async () => {
  await assert.rejects(client.request('Patient/p1'), (e) => e.status === 401);
  client = smart(await login('system/*.cruds'));
  assert.equal((await client.request('Patient')).resourceType, 'Bundle');
});

let one;
await step('create', async () => {
  const { body, response } = await client.create(patient('smart-1', 'Smart'), { includeResponse: true });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get('location'), `${base}/Patient/${body.id}/_history/1`);
  one = body;
});

await step('conditional create: 201, then 200', async () => {
  const options = { headers: { 'If-None-Exist': 'identifier=urn:example:mrn|smart-2' }, includeResponse: true };
  const first = await client.create(patient('smart-2', 'Once'), { ...options });
  const again = await client.create(patient('smart-2', 'Twice'), { ...options });
  assert.deepEqual([first.response.status, again.response.status], [201, 200]);
  assert.equal(again.body.id, first.body.id);
  const several = { headers: { 'If-None-Exist': 'family=Once,Smart' } };
  await refused(412, client.create(patient('smart-2', 'Thrice'), several));
});

await step('read, vread', async () => {
  assert.deepEqual(await client.request(`Patient/${one.id}`), one);
  assert.deepEqual(await client.request(`Patient/${one.id}/_history/1`), one);
  await refused(404, client.request('Patient/nobody'));
});

await step('update with If-Match: 200, then 412', async () => {
  const options = () => ({ headers: { 'If-Match': 'W/"1"' }, includeResponse: true });
  const { body, response } = await client.update({ ...one, gender: 'other' }, options());
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('etag'), 'W/"2"');
  assert.equal(body.gender, 'other');
  await refused(412, client.update({ ...one, gender: 'male' }, options()));
});

await step('patch', async () => {
  const patched = await client.patch(`Patient/${one.id}`, [{ op: 'replace', path: '/gender', value: 'unknown' }]);
  assert.equal(patched.gender, 'unknown'); // the client prefers return=presentation (sic), which means nothing
  assert.equal(patched.meta.versionId, '3');
  await refused(412, client.patch(`Patient/${one.id}`, [{ op: 'remove', path: '/gender' }], { headers: { 'If-Match': 'W/"1"', 'content-type': 'application/json-patch+json' } }));
  await refused(422, client.patch(`Patient/${one.id}`, [{ op: 'test', path: '/gender', value: 'other' }]));
});

const post = (url, body) => client.request({ url, method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/fhir+json' } });

let subject;
await step('transaction with urn:uuid references', async () => {
  const who = `urn:uuid:${randomUUID()}`;
  const entry = [{ fullUrl: who, resource: patient('smart-3', 'Transacted'), request: { method: 'POST', url: 'Patient' } }];
  for (let n = 0; n < 12; n++) {
    entry.push({ fullUrl: `urn:uuid:${randomUUID()}`, resource: heartRate(who, 60 + n, `2026-02-${10 + n}`), request: { method: 'POST', url: 'Observation' } });
  }
  const done = await post('', { resourceType: 'Bundle', type: 'transaction', entry });
  assert.equal(done.type, 'transaction-response');
  assert.ok(done.entry.every((e) => e.response.status.startsWith('201')));
  subject = done.entry[0].response.location.match(/Patient\/([^/]+)/)[1];
  await refused(400, post('', { resourceType: 'Bundle', type: 'collection' }));
});

await step('all pages, flat and by page; resources and pages as generators', async () => {
  const url = `Observation?patient=${subject}&code=8867-4&_count=5&_sort=date`;
  const pages = await client.request(url, { pageLimit: 0 });
  assert.deepEqual(pages.map((p) => p.entry.length), [5, 5, 2]);
  const flat = await client.request(url, { pageLimit: 0, flat: true });
  assert.deepEqual(flat.map((o) => o.valueQuantity.value), Array.from({ length: 12 }, (_, n) => 60 + n));
  const seen = [];
  await client.request(url, { pageLimit: 0, onPage: (page) => seen.push(page.entry.length) });
  assert.deepEqual(seen, [5, 5, 2]);
  assert.equal((await client.request(url, { pageLimit: 2 })).length, 2);
  const plain = new FHIR.FhirClient(base);
  const headers = { authorization: client.getAuthorizationHeader() };
  const found = [];
  for await (const resource of plain.resources(url, { headers })) {
    found.push(resource.id);
  }
  assert.deepEqual(found, flat.map((o) => o.id));
});

await step('references resolved, on the spot and beside', async () => {
  const url = `Observation?patient=${subject}&code=8867-4&_count=3`;
  const graph = await client.request(url, { resolveReferences: 'subject', graph: true });
  assert.ok(graph.entry.every((e) => e.resource.subject.id === subject));
  const { references } = await client.request(url, { resolveReferences: ['subject'], graph: false });
  assert.deepEqual(Object.keys(references), [`Patient/${subject}`]);
});

await step('search by GET and POST', async () => {
  const query = `patient=${subject}&code=http://loinc.org|8867-4&date=ge2026-02-15`;
  const byURL = await client.request(`Observation?${query}`);
  const byForm = await client.request({
    url: 'Observation/_search', method: 'POST', body: query, headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  assert.equal(byURL.total, 7);
  assert.deepEqual(byForm.entry, byURL.entry);
});

await step('a client with a patient in context', async () => {
  const launched = smart({ ...client.state.tokenResponse, patient: subject });
  assert.equal((await launched.patient.read()).id, subject);
  const found = await launched.patient.request('Observation?code=8867-4', { pageLimit: 0, flat: true });
  assert.equal(found.length, 12);
  assert.equal(client.byCodes(found, 'code')('8867-4').length, 12);
});

await step('an answered form is scored', async () => {
  const form = await client.create(phq9(`Patient/${subject}`, '2026-02-20T10:00:00Z', [3, 3, 3, 3, 0, 0, 0, 0, 0]));
  const [total] = await client.request(`Observation?patient=${subject}&code=http://loinc.org|44261-6`, { flat: true });
  assert.equal(client.getPath(total, 'valueInteger'), 12);
  assert.ok(total.derivedFrom.some((r) => r.reference.startsWith(`QuestionnaireResponse/${form.id}`)));
});

await step('history, batch, $everything, $validate', async () => {
  const versions = await client.request(`Patient/${one.id}/_history`);
  assert.deepEqual(versions.entry.map((e) => e.resource.meta.versionId), ['3', '2', '1']);
  const batch = await post('', { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: `Patient/${subject}` } }, { request: { method: 'GET', url: 'Patient/nobody' } }] });
  assert.deepEqual(batch.entry.map((e) => e.response.status.slice(0, 3)), ['200', '404']);
  const all = await client.request(`Patient/${subject}/$everything`, { pageLimit: 0, flat: true });
  assert.ok(all.length > 13);
  assert.equal((await post('Patient/$validate', patient('smart-4', 'Valid'))).resourceType, 'OperationOutcome');
});

await step('delete: then 410', async () => {
  const gone = await client.create(heartRate(`Patient/${subject}`, 99, '2026-03-01'));
  await client.delete(`Observation/${gone.id}`);
  await refused(410, client.request(`Observation/${gone.id}`));
  await client.delete(`Observation/${gone.id}`);
});

await step('export of a group: kick off, poll, download, delete', async () => {
  const group = await client.create({ resourceType: 'Group', type: 'person', actual: true, member: [{ entity: { reference: `Patient/${subject}` } }] });
  const { response } = await client.request({ url: `Group/${group.id}/$export`, headers: { accept: 'application/fhir+json', prefer: 'respond-async' }, includeResponse: true });
  assert.equal(response.status, 202);
  const at = response.headers.get('content-location');
  let status = await client.request({ url: at, includeResponse: true });
  while (status.response.status === 202) {
    await pause(Number(status.response.headers.get('retry-after')) / 4);
    status = await client.request({ url: at, includeResponse: true });
  }
  const count = {};
  for (const file of status.body.output) {
    const text = await client.request({ url: file.url, headers: { accept: 'application/fhir+ndjson' } });
    count[file.type] = (typeof text === 'string' ? lines(text) : lines(await text.text())).length;
  }
  assert.equal(count.Patient, 1);
  assert.equal(count.QuestionnaireResponse, 1);
  assert.ok(count.Observation >= 13);
  await client.delete(at);
  await refused(404, client.request(at));
});

await step('a token for less is refused what is more', async () => {
  const reader = smart(await login('system/Patient.rs'));
  assert.equal((await reader.request(`Patient/${subject}`)).id, subject);
  await refused(403, reader.request(`Observation?patient=${subject}`));
  await refused(403, reader.create(patient('smart-5', 'Never')));
});

finish();
