'use strict';

// Express 4 does not look at the promise a handler returns; a rejection has to be handed to next() by somebody.
function asyncRoute(handler) {
  return (req, res, next) => Promise.resolve(handler(req, res, next)).catch(next);
}

module.exports = { asyncRoute };
