'use strict';

const { Problem } = require('../orders/problems');

function handleUnknown(req, res) {
  res.status(404).json({ error: 'not_found' });
}

// The last middleware of the application: everything that failed is answered here, once.
function handleErrors(err, req, res, next) {
  if (res.headersSent) return next(err);
  if (err instanceof Problem) return res.status(err.status).json({ error: err.code, fields: err.fields });
  if (err.type === 'entity.too.large') return res.status(413).json({ error: 'body_too_large' });
  if (err.type === 'entity.parse.failed') return res.status(400).json({ error: 'body_is_not_json' });
  if (err.status >= 400 && err.status < 500) return res.status(err.status).json({ error: 'bad_request' });
  req.log.error({ err }, 'request failed');
  return res.status(500).json({ error: 'internal' });
}

module.exports = { handleErrors, handleUnknown };
