// Bundles what entry.js takes of three.js into one file, with three's license at its end, and records its digest.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const version = JSON.parse(readFileSync("node_modules/three/package.json")).version;
const license = readFileSync("node_modules/three/LICENSE", "utf8").trim();
const { outputFiles } = await build({
  entryPoints: ["entry.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  footer: { js: `/*!\nthree.js ${version}\n\n${license.replaceAll("*/", "* /")}\n*/` },
  write: false,
});
const content = outputFiles[0].contents;
const sha256 = createHash("sha256").update(content).digest("hex");
writeFileSync("../static/three.js", content);
writeFileSync("../vendor.json", `${JSON.stringify({ name: "three", version, license: "MIT", sha256 }, null, 2)}\n`);
