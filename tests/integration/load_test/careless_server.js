'use strict';

// The same server as a hurried person writes it: no bound on bodies, wrong types left unanswered, an inner path in its
// errors, and half a second's patience when it is told to end.
const http = require('node:http');

const server = http.createServer((req, res) => {
  const path = req.url.split('?')[0];
  if (req.method === 'GET' && path === '/items') return res.end('[1,2,3]');
  if (req.method === 'POST' && path === '/items') {
    let text = '';
    req.on('data', (part) => (text += part));
    req.on('end', () => {
      try {
        const body = JSON.parse(text);
        // A handler that forgets one case: the client waits.
        if (typeof body.name === 'number') return undefined;
        return res.end(JSON.stringify(body).slice(0, 20));
      } catch (error) {
        res.statusCode = 500;
        return res.end(error.stack);
      }
    });
    return undefined;
  }
  res.statusCode = 404;
  return res.end('no');
});

server.listen(process.env.PORT || 3000, '127.0.0.1');
process.on('SIGTERM', () => {
  server.close();
  setTimeout(() => process.exit(1), 500);
});
