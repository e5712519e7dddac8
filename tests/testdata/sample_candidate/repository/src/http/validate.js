'use strict';

const { BadInput } = require('../orders/problems');

// Puts what was checked into req.valid; the handler reads nothing else.
function validate(schemas) {
  return (req, res, next) => {
    req.valid = {};
    for (const [part, schema] of Object.entries(schemas)) {
      const parsed = schema.safeParse(req[part]);
      if (!parsed.success) {
        const fields = parsed.error.issues.map((issue) => ({ field: issue.path.join('.'), problem: issue.message }));
        return next(new BadInput(`${part} is not valid`, fields));
      }
      req.valid[part] = parsed.data;
    }
    return next();
  };
}

module.exports = { validate };
