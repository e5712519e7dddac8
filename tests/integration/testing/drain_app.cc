// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/testing/drain_app.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace assay::testing {
namespace {

constexpr char kServer[] = R"('use strict';
const express = require('express');

const app = express();
let ready = true;
app.use(express.json({ limit: '100kb' }));
app.get('/readyz', (request, response) => response.status(ready ? 200 : 503).json({ ready }));
app.get('/items', (request, response) => response.json([{ name: 'first' }]));
app.post('/items', (request, response) => {
  if (typeof request.body?.name !== 'string') return response.status(400).json({ error: 'name_missing' });
  return response.status(201).json({ name: request.body.name });
});
app.use((request, response) => response.status(404).json({ error: 'not_found' }));
app.use((error, request, response, next) => {
  if (response.headersSent) return next(error);
  return response.status(error.status || 500).json({ error: error.type || 'internal' });
});

const port = Number(process.env.PORT || 3000);
if (!Number.isInteger(port)) throw new Error('PORT: not a number');
const server = app.listen(port);

process.on('SIGTERM', () => {
  ready = false;
  server.close(() => process.exit(0));
  setTimeout(() => process.exit(1), GRACE).unref();
});
)";

}  // namespace

std::vector<std::pair<std::string, std::string>> DrainApp(int grace_ms) {
  return {{"package.json", R"({"name": "drain-app", "version": "1.0.0", "private": true, "engines": {"node": ">=22"},
  "scripts": {"start": "node server.js"}, "dependencies": {"express": "^4.19.0"}})"},
          {"server.js", absl::StrReplaceAll(kServer, {{"GRACE", absl::StrCat(grace_ms)}})}};
}

}  // namespace assay::testing
