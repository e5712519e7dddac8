'use strict';

class Problem extends Error {
  constructor(status, code, message, fields) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

class BadInput extends Problem {
  constructor(message, fields) {
    super(400, 'bad_input', message, fields);
  }
}

class NotFound extends Problem {
  constructor(message) {
    super(404, 'not_found', message);
  }
}

module.exports = { BadInput, NotFound, Problem };
