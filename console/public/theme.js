// Sets the theme that the user chose, before the first paint. Without a choice it is the system's.
try {
  const theme = localStorage.getItem('headway.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Without storage the theme is the system's.
}
