// What only the browser can do, called from Browser.cs.
let database;

function open() {
  return database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('hadal', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('conversations');
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function store(mode, work) {
  const transaction = (await open()).transaction('conversations', mode);
  const request = work(transaction.objectStore('conversations'));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error ?? request.error);
  });
}

export const load = () => store('readonly', conversations => conversations.getAll());
export const forget = id => store('readwrite', conversations => conversations.delete(id));

export async function keep(id, json) {
  try {
    await store('readwrite', conversations => conversations.put(json, id));
    return true;
  } catch {
    return false;
  }
}

export const read = key => localStorage.getItem('hadal.' + key);

export function write(key, value) {
  if (value === null) localStorage.removeItem('hadal.' + key);
  else localStorage.setItem('hadal.' + key, value);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

export function download(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const focus = selector => document.querySelector(selector)?.focus();

export function dress(language, isDark) {
  document.documentElement.lang = language;
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
}

export const taste = () => ({ isDark: matchMedia('(prefers-color-scheme: dark)').matches, language: navigator.language });

export const toEnd = scrolled => { scrolled.scrollTop = scrolled.scrollHeight; };

export function follow(scrolled) {
  let atEnd = true;
  scrolled.addEventListener('scroll', () => { atEnd = scrolled.scrollHeight - scrolled.scrollTop - scrolled.clientHeight < 80; }, { passive: true });
  new ResizeObserver(() => { if (atEnd) toEnd(scrolled); }).observe(scrolled.firstElementChild);
}

export function listen(target) {
  document.addEventListener('keydown', event => {
    const control = event.ctrlKey || event.metaKey;
    const name =
      event.key === 'Escape' && !document.querySelector('.mud-dialog, .mud-popover-open') ? 'escape' :
      !control || event.altKey ? null :
      event.shiftKey && event.code === 'KeyO' ? 'new' :
      event.shiftKey ? null :
      event.code === 'KeyK' ? 'search' :
      event.code === 'KeyB' ? 'list' :
      event.code === 'Period' ? 'options' :
      event.code === 'Slash' ? 'keys' : null;
    if (!name) return;
    if (name !== 'escape') event.preventDefault();
    target.invokeMethodAsync('OnShortcut', name);
  });
}

export function submitOnEnter(field, target) {
  field.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    target.invokeMethodAsync('OnSubmit', field.value);
  });
}

export const isWide = () => matchMedia('(min-width: 60rem)').matches;
