import type { Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";

/** A number of the path. `NOT_FOUND` for what is none. */
export function pathId(request: Pick<Request, "params">, name: string): number {
  const text = request.params[name] ?? "";
  if (!/^[0-9]{1,15}$/.test(text)) throw new AppError("NOT_FOUND", `there is no such ${name}`);
  return Number(text);
}
