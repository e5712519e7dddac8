'use strict';

module.exports = [
  {
    files: ['src/**/*.js', 'test/**/*.js'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'commonjs' },
    rules: { 'no-unused-vars': ['error', { argsIgnorePattern: '^next$' }], 'no-undef': 'off', eqeqeq: 'error' },
  },
];
