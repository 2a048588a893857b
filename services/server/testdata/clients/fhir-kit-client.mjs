// fhir-kit-client 2.0.3, unmodified, as a SMART backend service.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { CapabilityTool, Client } from 'fhir-kit-client';
import { base, finish, heartRate, lines, login, outcome, patient, pause, phq9, step } from './service.mjs';

const client = new Client({ baseUrl: base });
const http = (body) => Client.httpFor(body).response;
const header = (body, name) => http(body).headers.get(name);
const ids = (bundle) => (bundle.entry ?? []).map((e) => e.resource.id);

// refused wants an error of a status, which carries an OperationOutcome.
async function refused(status, call) {
  let answer;
  try {
    answer = await call;
  } catch (error) {
    assert.equal(error.response?.status, status, `${error.message} ${JSON.stringify(error.response?.data)}`);
    return outcome(error.response.data);
  }
  assert.fail(`answered ${http(answer).status}, not ${status}: ${JSON.stringify(answer)}`);
}

await step('capabilityStatement and CapabilityTool', async () => {
  const statement = await client.capabilityStatement();
  assert.equal(statement.fhirVersion, '4.0.1');
  const can = new CapabilityTool(statement);
  assert.ok(can.serverCan('transaction') && can.serverCan('batch'));
  for (const interaction of ['read', 'vread', 'create', 'update', 'patch', 'delete', 'search-type', 'history-instance']) {
    assert.ok(can.resourceCan('Patient', interaction), interaction);
  }
  assert.ok(can.resourceSearch('Observation', 'code-value-quantity'));
  assert.ok(can.supportFor({ resourceType: 'Patient', capabilityType: 'conditionalCreate' }));
});

await step('without a token: 401 with a challenge', async () => {
  await refused(401, client.read({ resourceType: 'Patient', id: 'p1' }));
});

await step('smartAuthMetadata, whichever of its three places answers first', async () => {
  for (let n = 0; n < 5; n++) {
    const { tokenUrl } = await client.smartAuthMetadata();
    assert.equal(tokenUrl?.origin, new URL(base).origin);
  }
});

await step('login by client_credentials with private_key_jwt', async () => {
  const { tokenUrl } = await client.smartAuthMetadata();
  client.bearerToken = (await login('system/*.cruds', tokenUrl.href)).access_token;
});

let one;
await step('create', async () => {
  one = await client.create({ resourceType: 'Patient', body: patient('kit-1', 'Kit') });
  assert.equal(http(one).status, 201);
  assert.equal(header(one, 'location'), `${base}/Patient/${one.id}/_history/1`);
  assert.equal(header(one, 'etag'), 'W/"1"');
  assert.equal(one.meta.versionId, '1');
});

await step('conditional create: 201, then 200 with what is there, 412 for several', async () => {
  const body = patient('kit-2', 'Kitchen');
  const options = { headers: { 'If-None-Exist': 'identifier=urn:example:mrn|kit-2' } };
  const first = await client.create({ resourceType: 'Patient', body, options });
  assert.equal(http(first).status, 201);
  const again = await client.create({ resourceType: 'Patient', body: patient('kit-2', 'Kitchenette'), options });
  assert.equal(http(again).status, 200);
  assert.equal(again.id, first.id);
  assert.equal(again.name[0].family, 'Kitchen');
  await refused(412, client.create({ resourceType: 'Patient', body, options: { headers: { 'If-None-Exist': 'family=Kit' } } }));
});

await step('conditional creates at the same time make one', async () => {
  const options = { headers: { 'If-None-Exist': 'identifier=urn:example:mrn%7Ckit-3' } };
  const all = await Promise.all(Array.from({ length: 10 }, () => client.create({ resourceType: 'Patient', body: patient('kit-3', 'Race'), options })));
  assert.equal(new Set(all.map((p) => p.id)).size, 1);
  assert.equal(all.filter((p) => http(p).status === 201).length, 1);
});

await step('read, vread, resolve', async () => {
  const read = await client.read({ resourceType: 'Patient', id: one.id });
  assert.deepEqual(read, one);
  assert.ok(header(read, 'last-modified'));
  assert.deepEqual(await client.vread({ resourceType: 'Patient', id: one.id, version: '1' }), one);
  assert.deepEqual(await client.resolve({ reference: `Patient/${one.id}` }), one);
  assert.deepEqual(await client.resolve({ reference: `${base}/Patient/${one.id}` }), one);
  await refused(404, client.read({ resourceType: 'Patient', id: 'nobody' }));
  await refused(404, client.vread({ resourceType: 'Patient', id: one.id, version: '9' }));
});

await step('update with If-Match: 200, then 412', async () => {
  const options = { headers: { 'If-Match': header(one, 'etag') } };
  const changed = await client.update({ resourceType: 'Patient', id: one.id, body: { ...one, gender: 'other' }, options });
  assert.equal(http(changed).status, 200);
  assert.equal(changed.meta.versionId, '2');
  await refused(412, client.update({ resourceType: 'Patient', id: one.id, body: { ...one, gender: 'male' }, options }));
  await refused(400, client.update({ resourceType: 'Patient', id: one.id, body: changed, options: { headers: { 'If-Match': 'yesterday' } } }));
  await refused(400, client.update({ resourceType: 'Patient', id: one.id, body: { ...one, id: 'another' } }));
});

await step('updates of one version at the same time: one wins, the others 412', async () => {
  const options = { headers: { 'If-Match': 'W/"2"' } };
  const all = await Promise.allSettled(Array.from({ length: 8 }, (_, n) =>
    client.update({ resourceType: 'Patient', id: one.id, body: { ...one, birthDate: `1980-05-0${n + 1}` }, options })));
  assert.equal(all.filter((r) => r.status === 'fulfilled').length, 1);
  assert.ok(all.every((r) => r.status === 'fulfilled' || r.reason.response.status === 412));
});

await step('update creates; conditional update creates, updates, and refuses several', async () => {
  const chosen = await client.update({ resourceType: 'Patient', id: 'kit-chosen', body: patient('kit-4', 'Chosen', { id: 'kit-chosen' }) });
  assert.equal(http(chosen).status, 201);
  const searchParams = { identifier: 'urn:example:mrn|kit-5' };
  const made = await client.update({ resourceType: 'Patient', searchParams, body: patient('kit-5', 'Upsert') });
  assert.equal(http(made).status, 201);
  const changed = await client.update({ resourceType: 'Patient', searchParams, body: patient('kit-5', 'Upserted') });
  assert.equal(http(changed).status, 200);
  assert.equal(changed.id, made.id);
  assert.equal(changed.meta.versionId, '2');
  await refused(412, client.update({ resourceType: 'Patient', searchParams: { gender: 'female' }, body: patient('kit-6', 'Several') }));
});

await step('patch, with If-Match; a test that does not hold 422, a malformed one 400', async () => {
  const now = await client.read({ resourceType: 'Patient', id: one.id });
  const options = { headers: { 'If-Match': header(now, 'etag') } };
  const jsonPatch = [{ op: 'test', path: '/active', value: true }, { op: 'replace', path: '/gender', value: 'unknown' }];
  await refused(422, client.patch({ resourceType: 'Patient', id: one.id, jsonPatch }));
  await refused(400, client.patch({ resourceType: 'Patient', id: one.id, jsonPatch: [{ op: 'dance', path: '/gender' }] }));
  const patched = await client.patch({ resourceType: 'Patient', id: one.id, jsonPatch: jsonPatch.slice(1), options });
  assert.equal(patched.gender, 'unknown');
  await refused(412, client.patch({ resourceType: 'Patient', id: one.id, jsonPatch: jsonPatch.slice(1), options }));
  await refused(404, client.patch({ resourceType: 'Patient', id: 'nobody', jsonPatch: jsonPatch.slice(1) }));
});

await step('history of one, of a type, of all', async () => {
  const versions = await client.history({ resourceType: 'Patient', id: one.id });
  assert.equal(versions.type, 'history');
  assert.deepEqual(versions.entry.map((e) => e.resource.meta.versionId), ['4', '3', '2', '1']);
  assert.ok(versions.entry.every((e) => e.request?.method && e.request.url && e.response?.status));
  assert.equal(versions.total, 4);
  assert.ok((await client.history({ resourceType: 'Patient' })).entry.length >= 4);
  assert.equal((await client.history()).type, 'history');
});

let subject;
await step('transaction: urn:uuid and conditional references, ifNoneExist, ifMatch, all or nothing', async () => {
  const [who, other] = [`urn:uuid:${randomUUID()}`, `urn:uuid:${randomUUID()}`];
  const body = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      { fullUrl: other, resource: heartRate(who, 70, '2026-01-05'), request: { method: 'POST', url: 'Observation' } },
      { fullUrl: who, resource: patient('kit-7', 'Transacted'), request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=urn:example:mrn|kit-7' } },
      { resource: heartRate('Patient?identifier=urn:example:mrn|kit-5', 71, '2026-01-06'), request: { method: 'POST', url: 'Observation' } },
      { resource: patient('kit-4', 'Chosen', { id: 'kit-chosen', active: true }), request: { method: 'PUT', url: 'Patient/kit-chosen', ifMatch: 'W/"1"' } },
      { request: { method: 'GET', url: 'Patient?identifier=urn:example:mrn|kit-7' } },
    ],
  };
  const done = await client.transaction({ body });
  assert.equal(done.type, 'transaction-response');
  assert.deepEqual(done.entry.map((e) => e.response.status.slice(0, 3)), ['201', '201', '201', '200', '200']);
  subject = done.entry[1].response.location.match(/Patient\/([^/]+)\/_history/)[1];
  assert.match(done.entry[0].response.etag, /^W\/"1"$/);
  const observation = await client.resolve({ reference: done.entry[0].response.location.match(/Observation\/[^/]+/)[0] });
  assert.equal(observation.subject.reference, `Patient/${subject}`);
  assert.equal(done.entry[4].resource.total, 1);
  const again = structuredClone(body);
  again.entry = [again.entry[1]];
  assert.equal((await client.transaction({ body: again })).entry[0].response.status.slice(0, 3), '200');
  const bad = structuredClone(body);
  bad.entry[1] = { fullUrl: who, resource: patient('kit-8', 'Never'), request: { method: 'POST', url: 'Patient' } };
  await refused(412, client.transaction({ body: bad })); // ifMatch W/"1", and it is at 2
  assert.equal((await client.search({ resourceType: 'Patient', searchParams: { identifier: 'urn:example:mrn|kit-8' } })).total, 0);
});

await step('batch: each entry for itself', async () => {
  const done = await client.batch({
    body: {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [
        { request: { method: 'GET', url: `Patient/${subject}` } },
        { request: { method: 'GET', url: 'Patient/nobody' } },
        { resource: { resourceType: 'Observation' }, request: { method: 'POST', url: 'Observation' } },
        { resource: patient('kit-9', 'Batched'), request: { method: 'POST', url: 'Patient' } },
      ],
    },
  });
  assert.equal(done.type, 'batch-response');
  const statuses = done.entry.map((e) => e.response.status.slice(0, 3));
  assert.deepEqual([statuses[0], statuses[1], statuses[3]], ['200', '404', '201']);
  assert.match(statuses[2], /^4(00|22)$/);
  outcome(done.entry[1].response.outcome);
  outcome(done.entry[2].response.outcome);
});

await step('search with paging to the end: each once, in order', async () => {
  for (let n = 0; n < 11; n++) {
    await client.create({ resourceType: 'Observation', body: heartRate(`Patient/${subject}`, 60 + n, `2026-02-${10 + n}`) });
  }
  const searchParams = { patient: subject, code: 'http://loinc.org|8867-4', date: ['ge2026-02-01', 'le2026-02-28'], _count: 4, _sort: 'date' };
  let page = await client.search({ resourceType: 'Observation', searchParams });
  assert.equal(page.total, 11);
  const values = [];
  for (let pages = 1; page; pages++) {
    assert.ok(pages <= 3 && page.entry.length <= 4);
    assert.ok(page.entry.every((e) => e.search.mode === 'match' && e.fullUrl === `${base}/Observation/${e.resource.id}`));
    values.push(...page.entry.map((e) => e.resource.valueQuantity.value));
    page = await client.nextPage({ bundle: page });
  }
  assert.deepEqual(values, Array.from({ length: 11 }, (_, n) => 60 + n));
});

await step('search by POST, in a compartment, and both', async () => {
  const searchParams = { code: 'http://loinc.org|8867-4', date: 'ge2026-02-15' };
  const options = { postSearch: true };
  const compartment = { resourceType: 'Patient', id: subject };
  const plain = await client.search({ resourceType: 'Observation', searchParams: { ...searchParams, patient: `Patient/${subject}` } });
  assert.equal(plain.total, 6);
  const found = [
    await client.search({ resourceType: 'Observation', searchParams: { ...searchParams, patient: subject }, options }),
    await client.search({ resourceType: 'Observation', compartment, searchParams }),
    await client.search({ resourceType: 'Observation', compartment, searchParams, options }),
  ];
  for (const bundle of found) {
    assert.deepEqual(ids(bundle), ids(plain));
  }
  const paged = await client.search({ resourceType: 'Observation', searchParams: { ...searchParams, patient: subject, _count: 5 }, options });
  assert.equal((await client.nextPage({ bundle: paged })).entry.length, 1);
});

await step('_include, and references resolved within the Bundle', async () => {
  const bundle = await client.search({
    resourceType: 'Observation',
    searchParams: { patient: subject, _include: 'Observation:patient', _count: 2, _summary: 'false' },
  });
  assert.equal(bundle.entry.filter((e) => e.search.mode === 'include').length, 1);
  const found = await client.resolve({ reference: bundle.entry[0].resource.subject.reference, context: bundle });
  assert.equal(found.id, subject);
});

await step('an answered form is scored, and its scores are found', async () => {
  const form = await client.create({ resourceType: 'QuestionnaireResponse', body: phq9(`Patient/${subject}`, '2026-02-20T10:00:00Z', [2, 2, 2, 1, 1, 1, 1, 1, 0]) });
  const totals = await client.search({ resourceType: 'Observation', searchParams: { patient: subject, code: 'http://loinc.org|44261-6' } });
  assert.equal(totals.total, 1);
  assert.equal(totals.entry[0].resource.valueInteger, 11);
  const [{ reference }] = totals.entry[0].resource.derivedFrom;
  assert.equal((await client.resolve({ reference })).id, form.id);
  const made = await client.operation({ name: 'extract', resourceType: 'QuestionnaireResponse', id: form.id });
  const extracted = made.parameter?.find((p) => p.resource?.resourceType === 'Bundle')?.resource;
  assert.ok(extracted.entry.some((e) => e.resource.code.coding.some((c) => c.code === '44261-6')));
});

await step('$everything by GET and POST, $validate', async () => {
  for (const method of ['GET', 'POST']) {
    const all = await client.operation({ name: '$everything', resourceType: 'Patient', id: subject, method });
    const types = new Set(all.entry.map((e) => e.resource.resourceType));
    assert.ok(types.has('Patient') && types.has('Observation') && types.has('QuestionnaireResponse'), method);
  }
  const good = await client.operation({ name: 'validate', resourceType: 'Patient', input: patient('kit-10', 'Valid') });
  assert.equal(good.resourceType, 'OperationOutcome');
  assert.ok(good.issue.every((i) => i.severity !== 'error'));
  const bad = await client.operation({ name: 'validate', resourceType: 'Patient', input: { resourceType: 'Patient', gender: 7 } });
  assert.ok(outcome(bad).some((i) => i.expression?.[0] === 'Patient.gender'));
});

await step('errors are OperationOutcomes that say where', async () => {
  const wrong = await refused(400, client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', birthDate: 'yesterday' } }));
  assert.ok(wrong.some((i) => i.expression?.[0] === 'Patient.birthDate'), JSON.stringify(wrong));
  await refused(400, client.create({ resourceType: 'Patient', body: heartRate('Patient/x', 1, '2026-01-01') }));
  await refused(400, client.search({ resourceType: 'Patient', searchParams: { nonsense: '1' }, options: { headers: { Prefer: 'handling=strict' } } }));
  await refused(404, client.request('nothing/here/at/all'));
  await refused(404, client.read({ resourceType: 'Account', id: '1' }));
});

await step('delete: then 410, and once more without complaint', async () => {
  const gone = await client.create({ resourceType: 'Patient', body: patient('kit-11', 'Gone') });
  assert.equal(http(await client.delete({ resourceType: 'Patient', id: gone.id })).status, 204);
  await refused(410, client.read({ resourceType: 'Patient', id: gone.id }));
  assert.equal(http(await client.delete({ resourceType: 'Patient', id: gone.id })).status, 204);
  assert.equal((await client.vread({ resourceType: 'Patient', id: gone.id, version: '1' })).id, gone.id);
  await refused(410, client.vread({ resourceType: 'Patient', id: gone.id, version: '2' }));
  assert.equal((await client.search({ resourceType: 'Patient', searchParams: { _id: gone.id } })).total, 0);
  const again = await client.update({ resourceType: 'Patient', id: gone.id, body: patient('kit-11', 'Back', { id: gone.id }) });
  assert.equal(http(again).status, 201);
});

await step('export: kick off, poll, download, delete', async () => {
  const headers = { Prefer: 'respond-async' };
  const asked = await client.operation({ name: 'export', resourceType: 'Patient', method: 'GET', input: { _type: 'Patient,Observation' }, options: { headers } });
  assert.equal(http(asked).status, 202);
  const at = header(asked, 'content-location');
  let manifest = await client.request(at);
  while (http(manifest).status === 202) {
    assert.ok(header(manifest, 'x-progress').length < 100);
    await pause(Number(header(manifest, 'retry-after')) / 4);
    manifest = await client.request(at);
  }
  assert.equal(http(manifest).status, 200);
  assert.equal(manifest.requiresAccessToken, true);
  assert.deepEqual([...new Set(manifest.output.map((f) => f.type))].sort(), ['Observation', 'Patient']);
  const { authorization } = client.httpClient.authHeader;
  for (const file of manifest.output) {
    assert.equal((await fetch(file.url)).status, 401);
    const answer = await fetch(file.url, { headers: { authorization, accept: 'application/fhir+ndjson' } });
    assert.equal(answer.headers.get('content-type').split(';')[0], 'application/fhir+ndjson');
    const all = lines(await answer.text());
    assert.equal(all.length, file.count);
    assert.ok(all.every((r) => r.resourceType === file.type));
  }
  assert.equal(http(await client.httpClient.delete(at)).status, 202);
  await refused(404, client.request(at));
});

finish();
