// Keys: making one, and approvals that one signs. What is signed is the digest that the page shows.
//
// The browser's answer travels in a field of the plain form, so there is one way in for everybody.

const says = (form, text) => {
  const line = form.querySelector("[data-sign-says]");
  line.textContent = text;
  line.hidden = false;
};

async function asked(address, options) {
  const answer = await fetch(address, { ...options, headers: { accept: "application/json", ...options?.headers } });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.detail ?? "the server refused");
  return found;
}

async function signed(form) {
  const challenge = await asked(form.dataset.sign);
  if (challenge.digest !== form.elements.digest.value)
    throw new Error("the request was changed; open it again and read what it says now");
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(challenge.webauthn);
  return navigator.credentials.get({ publicKey: options });
}

async function made(form) {
  const headers = { "x-protem-anti-forgery": form.elements.anti_forgery.value };
  const found = await asked(form.dataset.makeKey, { method: "POST", headers });
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(found);
  return navigator.credentials.create({ publicKey: options });
}

// Holds a form back until its field has the answer of a key, then sends it.
function withKey(form, field, answer, wanted) {
  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (!wanted(button) || field.value) return;
    event.preventDefault();
    if (form.dataset.busy) return;
    form.dataset.busy = "yes";
    try {
      field.value = JSON.stringify((await answer(form)).toJSON());
      form.requestSubmit(button);
    } catch (error) {
      says(form, `No signature: ${error.message}`);
    } finally {
      delete form.dataset.busy;
    }
  });
  addEventListener("pageshow", () => (field.value = "")); // back: a used answer is of no use
}

export function useKeys() {
  for (const form of document.querySelectorAll("form[data-sign]"))
    withKey(form, form.elements.signature, signed, (button) => button?.value === "approve");
  for (const form of document.querySelectorAll("form[data-make-key]"))
    withKey(form, form.elements.credential, made, () => true);
}
