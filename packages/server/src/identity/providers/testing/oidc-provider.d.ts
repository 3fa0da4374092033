/** As far as the tests use it; the package has no types of its own. */
declare module "oidc-provider" {
  import type { RequestListener } from "node:http";

  export { Provider as default };

  class Provider {
    constructor(issuer: string, configuration: object);
    callback(): RequestListener;
  }
}
