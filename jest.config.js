// Jest runs the TypeScript sources as native ES modules; NODE_OPTIONS is set by the npm script `jest`.
const shared = {
  rootDir: import.meta.dirname ?? new URL(".", import.meta.url).pathname,
  testEnvironment: "<rootDir>/test/support/leak-environment.ts",
  testEnvironmentOptions: { customExportConditions: ["@unstale/source", "node", "node-addons"] },
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "\\.ts$": ["@swc/jest", { module: { type: "es6" }, jsc: { target: "es2022", parser: { syntax: "typescript" } } }],
  },
  modulePathIgnorePatterns: ["<rootDir>/dist", "<rootDir>/cache-core/dist"],
};

const project = (displayName, folders, extra = {}) => ({
  ...shared,
  displayName,
  testMatch: folders.map((folder) => `<rootDir>/test/${folder}/**/*.test.ts`),
  ...extra,
});

export default {
  // Integration tests wait more than they work.
  maxWorkers: 2,
  projects: [
    project("unit", ["unit", "contract", "property", "docs"]),
    project("integration", ["integration", "smoke"], {
      globalSetup: "<rootDir>/test/support/services-setup.ts",
      globalTeardown: "<rootDir>/test/support/services-teardown.ts",
    }),
    project("interleaving", ["interleaving"]),
  ],
};
