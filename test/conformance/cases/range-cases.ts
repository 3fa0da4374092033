import { CaseProblem, unsupported } from "../case-problem.ts";
import { expectReply } from "../expectations.ts";
import type { BlobPlace } from "./blob-cases.ts";
import { blobUrl } from "./blob-cases.ts";

interface RangeCase {
  readonly range: string;
  /** First and last byte that must come back, or undefined when the range cannot be satisfied. */
  readonly expected: readonly [first: number, last: number] | undefined;
}

/** The size of the blob that the cases read. */
export const rangeBlobBytes = 2048;

const rangeCases: readonly RangeCase[] = [
  { range: "500-1499", expected: [500, 1499] },
  { range: "500-", expected: [500, 2047] },
  { range: "-500", expected: [1548, 2047] },
  { range: "2000-5000", expected: [2000, 2047] },
  { range: "500-0", expected: undefined },
  { range: "5000-10000", expected: undefined },
];

/** Reads parts of a blob (RFC 9110 section 14). The whole blob with 200 is an allowed "not supported". */
export async function runRangeCases(place: BlobPlace, isPushed: boolean): Promise<void> {
  for (const rangeCase of rangeCases) {
    await place.group.runCase({ name: `range ${rangeCase.range}`, category: "pull" }, async (log) => {
      if (!isPushed) throw new CaseProblem("Skip", "there is no blob to read: its push did not pass");
      const headers = [["Range", `bytes=${rangeCase.range}`]] as const;
      const reply = await place.run.client.send({ method: "GET", url: blobUrl(place), headers }, log);
      if (reply.status === 200) {
        const headers = { "Content-Length": String(rangeBlobBytes) };
        expectReply(reply, { status: [200], headers, body: place.blob.bytes });
        throw unsupported("a range was asked for and the whole blob returned");
      }
      if (rangeCase.expected === undefined) return expectReply(reply, { status: [416] });
      const [first, last] = rangeCase.expected;
      expectReply(reply, {
        status: [206],
        headers: {
          "Content-Length": String(last - first + 1),
          "Content-Range": [`bytes ${first}-${last}/${rangeBlobBytes}`, `bytes ${first}-${last}/*`],
        },
        body: place.blob.bytes.subarray(first, last + 1),
      });
    });
  }
}
