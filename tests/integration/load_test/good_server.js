'use strict';

// A small server as a careful person writes it: bounded bodies, JSON errors, a drain longer than any of its requests.
const http = require('node:http');

const port = Number(process.env.PORT);
if (!Number.isInteger(port)) throw new Error(`PORT: not a number: ${process.env.PORT}`);

const MAX_BODY = 100 * 1024;
const GRACE_MS = 5000;
let ready = true;

function answer(res, status, value) {
  const text = JSON.stringify(value);
  res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
  res.end(text);
}

function readBody(req, done) {
  const length = Number(req.headers['content-length'] || 0);
  if (length > MAX_BODY) return done({ status: 413, error: 'body_too_large' });
  let text = '';
  req.setEncoding('utf8');
  req.on('data', (part) => (text += part));
  req.on('end', () => {
    if (req.headers['content-encoding']) return done({ status: 415, error: 'encoding' });
    try {
      return done(null, JSON.parse(text));
    } catch {
      return done({ status: 400, error: 'not_json' });
    }
  });
}

const server = http.createServer((req, res) => {
  const path = req.url.split('?')[0];
  if (req.method === 'GET' && path === '/healthz') return answer(res, ready ? 200 : 503, { ready });
  if (req.method === 'GET' && path === '/items') return answer(res, 200, { items: [1, 2, 3] });
  if (req.method === 'POST' && path === '/items') {
    return readBody(req, (problem, body) => {
      if (problem) return answer(res, problem.status, { error: problem.error });
      if (typeof body?.name !== 'string') return answer(res, 400, { error: 'name_missing' });
      return answer(res, 201, { name: body.name });
    });
  }
  return answer(res, 404, { error: 'not_found' });
});

server.listen(port, '127.0.0.1');
process.on('SIGTERM', () => {
  ready = false;
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  setTimeout(() => process.exit(1), GRACE_MS).unref();
});
