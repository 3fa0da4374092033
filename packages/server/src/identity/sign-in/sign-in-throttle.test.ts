import assert from "node:assert/strict";
import { test } from "node:test";
import { networkOf } from "../../lib/network-of.ts";
import { createMovableClock } from "../testing/movable-clock.ts";
import { createSignInThrottle } from "./sign-in-throttle.ts";

const refusal = { name: "AppError", code: "TOOMANYREQUESTS" };

function setUp() {
  const clock = createMovableClock();
  const throttle = createSignInThrottle(clock);
  const guess = (count: number, address = "192.0.2.1", username = "ada") => {
    for (let index = 0; index < count; index++) throttle.begin(address, username, `guess ${index}`);
  };
  return { clock, throttle, guess };
}

test("lets ten different passwords through and refuses the eleventh", () => {
  const { throttle, guess } = setUp();
  guess(10);
  assert.throws(() => throttle.begin("192.0.2.1", "ada", "another"), { ...refusal, retryAfterSeconds: 60 });
});

test("counts guesses before they are answered, so that sending them side by side gains nothing", () => {
  const { throttle } = setUp();
  const begun = Array.from({ length: 50 }, (_, index) => {
    try {
      return throttle.begin("192.0.2.1", "ada", `guess ${index}`);
    } catch {
      return undefined;
    }
  });
  assert.equal(begun.filter((attempt) => attempt !== undefined).length, 10);
});

test("counts the same password twice in a row once, as containerd sends it by POST and by GET", () => {
  const { throttle } = setUp();
  for (let index = 0; index < 10; index++) {
    throttle.begin("192.0.2.1", "ada", `guess ${index}`);
    if (index < 9) throttle.begin("192.0.2.1", "ada", `guess ${index}`);
  }
  assert.throws(() => throttle.begin("192.0.2.1", "ada", "another"), refusal);
});

test("never locks out a job that repeats one outdated password", () => {
  const { throttle, clock } = setUp();
  for (let index = 0; index < 100; index++) {
    throttle.begin("192.0.2.1", "ci", "of last year");
    clock.move(5_000);
  }
  throttle.begin("192.0.2.1", "ci", "of this year").succeeded();
});

test("locks nobody out elsewhere, nor another name at the same address", () => {
  const { throttle, guess } = setUp();
  guess(10);
  throttle.begin("192.0.2.2", "ada", "right");
  throttle.begin("192.0.2.1", "bob", "right");
});

test("lets in again a minute after the last wrong password, and not before", () => {
  const { throttle, guess, clock } = setUp();
  guess(10);
  clock.move(59_999);
  assert.throws(() => throttle.begin("192.0.2.1", "ada", "right"), { ...refusal, retryAfterSeconds: 1 });
  clock.move(1);
  throttle.begin("192.0.2.1", "ada", "right");
});

test("waits no longer because the clock was set back", () => {
  const { throttle, guess, clock } = setUp();
  guess(10);
  clock.move(-3_600_000);
  throttle.begin("192.0.2.1", "ada", "right");
});

test("forgets wrong passwords after a right one", () => {
  const { throttle, guess } = setUp();
  guess(9);
  throttle.begin("192.0.2.1", "ada", "right").succeeded();
  guess(10);
  assert.throws(() => throttle.begin("192.0.2.1", "ada", "another"), refusal);
});

test("does not count what nobody could judge", () => {
  const { throttle, guess } = setUp();
  for (let index = 0; index < 30; index++) throttle.begin("192.0.2.1", "ada", `try ${index}`).abandoned();
  guess(10);
  assert.throws(() => throttle.begin("192.0.2.1", "ada", "another"), refusal);
});

test("takes the 64 bits that one holder of IPv6 addresses has for one network", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["192.0.2.1", "192.0.2.1"],
    ["unknown", "unknown"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:DB8:1:2::6", "2001:db8:1:2"],
    ["2001:0db8:0001:0002::", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["2001:db8::5:6", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["::", "0:0:0:0"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0"],
    ["1::2:3:4:5:6:7", "1:0:2:3"],
    ["fe80::1%eth0", "fe80:0:0:0"],
  ];
  for (const [address, network] of cases) assert.equal(networkOf(address), network, address);
});

test("counts addresses of one IPv6 network together", () => {
  const { throttle } = setUp();
  for (let index = 0; index < 10; index++) throttle.begin(`2001:db8::${index}`, "ada", `guess ${index}`);
  assert.throws(() => throttle.begin("2001:db8::ffff", "ada", "another"), refusal);
  throttle.begin("2001:db8:0:1::1", "ada", "right");
});

test("remembers a bounded number of those who fail, the latest", () => {
  const { throttle, guess } = setUp();
  guess(10, "192.0.2.1", "first");
  for (let index = 0; index < 49_999; index++) throttle.begin("192.0.2.1", `user${index}`, "x");
  assert.throws(() => throttle.begin("192.0.2.1", "first", "another"), refusal);
  throttle.begin("192.0.2.1", "one more", "x");
  throttle.begin("192.0.2.1", "first", "another");
});

test("has those who go on guessing wait twice as long each time, and forgets it after an hour of peace", () => {
  const { throttle, clock, guess } = setUp();
  const waitSeconds = () => {
    guess(10);
    let seconds = 0;
    assert.throws(
      () => throttle.begin("192.0.2.1", "ada", "another"),
      (error) => {
        seconds = Number(Reflect.get(Object(error), "retryAfterSeconds"));
        return true;
      },
    );
    clock.move(seconds * 1_000);
    return seconds;
  };
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(waitSeconds), [60, 120, 240, 480, 900, 900]);
  clock.move(3_600_000);
  assert.equal(waitSeconds(), 60);
  throttle.begin("192.0.2.1", "ada", "right").succeeded();
  assert.equal(waitSeconds(), 60, "as does the right password");
});
