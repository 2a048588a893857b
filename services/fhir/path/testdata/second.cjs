// Evaluates a table of expressions with fhirpath.js, as a second opinion. It reads {home, cases} from standard input,
// where home is the folder that .ci/examples fills, and writes one result for each case: {values} or {error}.
'use strict';
const Module = require('node:module');
const path = require('node:path');

const input = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  for (const name of ['antlr4', 'date-fns', '@loxjs/url-join', 'fhirpath']) {
    if (request === name || request.startsWith(name + '/')) {
      request = path.join(input.home, name, 'package', request.slice(name.length));
    }
  }
  return resolve.call(this, request, ...rest);
};
// Units are not part of the comparison: expressions with quantities are refused, so nothing of this library is needed.
const load = Module._load;
Module._load = function (request, ...rest) {
  if (request === '@lhncbc/ucum-lhc') {
    return {UcumLhcUtils: {getInstance: () => ({})}};
  }
  return load.call(this, request, ...rest);
};

// trace() prints.
console.log = () => {};

const fhirpath = require('fhirpath');
const r4 = require('fhirpath/fhir-context/r4');

const plain = (value) => (value !== null && typeof value === 'object' && typeof value.toJSON === 'function' ? value.toJSON() : value);
const results = input.cases.map(({expression, resource, variables}) => {
  try {
    const values = fhirpath.evaluate(resource, expression, {...variables, resource, context: resource, rootResource: resource}, r4);
    return {values: values.map(plain)};
  } catch (error) {
    return {error: String(error.message || error)};
  }
});
process.stdout.write(JSON.stringify(results));
