"""The browser demo: what it does apart from the page (`models`, `sprites`, `editing`, `files`, `training`), and the page."""
