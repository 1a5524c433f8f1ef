// Finds what the compiler lets pass: forgotten promises, forgotten cases, values where types are meant. Layout is
// prettier's business; who imports whom and what is written where is test/tidy_test.ts's.
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  globalIgnores(["dist/", "node_modules/"]),
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    linterOptions: { reportUnusedDisableDirectives: "error" },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/prefer-readonly": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],

      // Narrowed: useful, but strict in ways that make the code longer and no safer.
      "@typescript-eslint/no-misused-spread": ["error", { allow: [{ from: "lib", name: "string" }] }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],

      // Off: `return done()` may end a function without a result, a method may be async because its interface is, and
      // a mapped type may come out empty.
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-generated-empty-object-type": "off",
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    // Tests read JSON and compare all of it: that the parts are what they should be is what they find out.
    files: ["{test,bench}/**/*.ts"],
    rules: {
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
  {
    // Types are asserted where bytes and foreign values come in, and nowhere in the protocol.
    files: ["src/{raft,node}/**/*.ts"],
    rules: { "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "never" }] },
  },
);
