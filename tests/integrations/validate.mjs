// Objects of Kubernetes as JSON on stdin: a line for each that the published schemas refuse, exit 1 if there is one.
// Run with the folder of kubernetes-models (npm) as its argument.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.argv[2] + "/");
let status = 0;
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const { [object.kind]: Model } = require("kubernetes-models/" + object.apiVersion);
  if (!Model) throw new Error("no schema for " + object.apiVersion + " " + object.kind);
  try {
    new Model(object).validate();
  } catch (error) {
    console.log(`${object.kind} ${object.metadata.name}: ${error.message}`);
    status = 1;
  }
}
process.exit(status);
