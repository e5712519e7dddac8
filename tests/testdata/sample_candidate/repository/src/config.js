'use strict';

const { z } = require('zod');

const schema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  PORT: z.coerce.number().int().min(0).max(65535).default(3000),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  PRICING_URL: z.string().url().optional(),
  ORDERS_PER_MINUTE: z.coerce.number().int().positive().default(600),
});

// A service with a wrong environment must not start: it would fail later, and less clearly.
function loadConfig(environment = process.env) {
  const parsed = schema.safeParse(environment);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`configuration: ${problems.join('; ')}`);
  }
  return Object.freeze(parsed.data);
}

module.exports = { loadConfig };
