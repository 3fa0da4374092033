import assert from "node:assert/strict";
import { test } from "node:test";
import { checkNewPassword } from "./check-new-password.ts";
import { createCommonPasswordCheck } from "./common-passwords.ts";

const isCommon = createCommonPasswordCheck();
const check = (password: string, owner = { username: "ada.byron", email: "ada@lovelace.example" }) =>
  checkNewPassword(isCommon, password, owner);
const refuses = (password: string, message: RegExp) =>
  assert.rejects(check(password), { code: "REQUEST_INVALID", message });

test("takes any password of eight characters that is not on the list, whatever is in it", async () => {
  for (const good of [
    "correct horse battery",
    "gxkwpvzt",
    "ein längeres Passwort",
    "🐢🐇🐢🐇🐌🐌🐢🐇",
    "  8 7 6 x ",
    "ä".repeat(510) + "öü",
  ]) {
    await check(good);
  }
});

test("refuses what is too short, too long, or would be taken for an access token", async () => {
  for (const bad of ["", "gxkwpvz", "🐢🐇🐢🐇", "äöü".repeat(200), `entp_${"x7".repeat(20)}`]) {
    await assert.rejects(check(bad), { code: "REQUEST_INVALID" });
  }
});

test("refuses what everybody tries first, however it is capitalised", async () => {
  for (const bad of [
    "password",
    "Password1",
    "12345678",
    "qwertyuiop",
    "iloveyou",
    "TRUSTNO1",
    "sunshine1",
  ]) {
    await refuses(bad, /everybody tries first/);
  }
  await refuses("aAaAaAaAaAaA", /again and again/);
});

test("refuses the name and the address, with digits and signs around them", async () => {
  for (const bad of [
    "ada.byron",
    "ADA-BYRON-1815!",
    "ada@lovelace.example",
    "lovelace.example",
    "123entrepot",
  ]) {
    await refuses(bad, /name or the e-mail address/);
  }
  await check("ada.byron likes numbers");
});
