// Objects of Kubernetes as JSON on stdin: a line for each that the published schemas refuse, exit 1 if there is one.
// usage: validate.mjs FOLDER, where npm installed kubernetes-models in FOLDER
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

let status = 0;
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const schemas = `${process.argv[2]}/node_modules/kubernetes-models/${object.apiVersion}/index.js`;
  const { [object.kind]: Model } = await import(pathToFileURL(schemas));
  if (!Model) throw new Error("no schema for " + object.apiVersion + " " + object.kind);
  try {
    new Model(object).validate();
  } catch (error) {
    console.log(`${object.kind} ${object.metadata.name}: ${error.message}`);
    status = 1;
  }
}
process.exit(status);
