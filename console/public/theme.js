// The theme that was chosen on this page, before anything is painted. Without a choice, the system's holds.
try {
  const chosen = localStorage.getItem('headway.theme')
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
} catch {
  // Storage may be forbidden; the system's theme holds then.
}
