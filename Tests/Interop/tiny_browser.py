"""A browser for tests: fetches pages, finds links and forms by what a person reads, keeps cookies. Standard library only."""

import html
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser


class Field:
    def __init__(self, kind, name, value, checked=False):
        self.kind, self.name, self.value, self.checked = kind, name, value, checked
        self.options = []
        self.label = ""
        self.id = None
        self.required = False


class Form:
    def __init__(self, action, method):
        self.action, self.method = action, method
        self.fields, self.buttons = [], []


class Page(HTMLParser):
    """The parts of a page that a person can use."""

    VOID = {"input", "br", "img", "meta", "link", "hr", "wbr"}
    SKIPPED = {"script", "style", "title", "head"}

    def __init__(self, url, status, text):
        super().__init__()
        self.url, self.status, self.source = url, status, text
        self.links, self.forms, self.headings = [], [], []
        self.refresh, self.lang, self.title = None, None, ""
        self._labels, self._text, self._capture, self._skip = {}, [], [], []
        self._form = self._select = self._button = self._area = self._label_open = None
        self.feed(text)
        for form in self.forms:
            for field in form.fields:
                if not field.label and field.id in self._labels:
                    field.label = self._labels[field.id]

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self._text)).strip()

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "html":
            self.lang = a.get("lang")
        if tag in self.SKIPPED:
            self._skip.append(tag)
        if tag == "meta" and (a.get("http-equiv") or "").lower() == "refresh":
            self.refresh = a.get("content")
        if tag == "a" and "href" in a:
            self._open("a", a["href"])
        elif tag in ("h1", "h2", "h3"):
            self._open(tag, None)
        elif tag == "title":
            self._open("title", None)
        elif tag == "form":
            self._form = Form(a.get("action") or "", (a.get("method") or "get").lower())
            self.forms.append(self._form)
        elif tag == "label":
            self._label_open = [a.get("for"), [], []]
            self._open("label", self._label_open)
        elif tag == "input":
            field = Field(a.get("type", "text"), a.get("name"), a.get("value", ""), "checked" in a)
            field.id, field.required = a.get("id"), "required" in a
            if field.kind in ("submit", "image"):
                self._add_button(field, a.get("value", ""))
            else:
                self._add_field(field)
        elif tag == "select":
            self._select = Field("select", a.get("name"), None)
            self._select.id = a.get("id")
            self._add_field(self._select)
        elif tag == "option" and self._select is not None:
            self._open("option", a)
        elif tag == "textarea":
            self._area = Field("textarea", a.get("name"), "")
            self._area.id = a.get("id")
            self._add_field(self._area)
        elif tag == "button":
            button = Field(a.get("type", "submit"), a.get("name"), a.get("value", ""))
            self._open("button", button)

    def handle_endtag(self, tag):
        if self._skip and self._skip[-1] == tag:
            self._skip.pop()
        if tag == "form":
            self._form = None
        if tag == "select":
            if self._select is not None and self._select.value is None and self._select.options:
                self._select.value = self._select.options[0][0]
            self._select = None
        if tag == "textarea":
            self._area = None
        if self._capture and self._capture[-1][0] == tag:
            kind, extra, parts = self._capture.pop()
            words = re.sub(r"\s+", " ", "".join(parts)).strip()
            if kind == "a":
                self.links.append((words, extra))
            elif kind in ("h1", "h2", "h3"):
                self.headings.append(words)
            elif kind == "title":
                self.title = words
            elif kind == "label":
                if extra[0]:
                    self._labels[extra[0]] = words
                for field in extra[2]:
                    field.label = words
                self._label_open = None
            elif kind == "option" and self._select is not None:
                value = extra.get("value", words)
                self._select.options.append((value, words))
                if "selected" in extra:
                    self._select.value = value
            elif kind == "button":
                self._add_button(extra, words)

    def handle_data(self, data):
        for _, _, parts in self._capture:
            parts.append(data)
        if self._area is not None:
            self._area.value += data
        elif not self._skip:
            self._text.append(data)

    def _open(self, kind, extra):
        self._capture.append((kind, extra, []))

    def _add_field(self, field):
        if self._label_open is not None:
            self._label_open[2].append(field)
        if self._form is not None:
            self._form.fields.append(field)

    def _add_button(self, field, words):
        field.label = words
        if self._form is not None:
            self._form.buttons.append(field)


class Lost(AssertionError):
    """The page does not have what the person was told to use."""


class Browser:
    def __init__(self):
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.page = None
        self.filled = {}

    def _fetch(self, url, data=None):
        request = urllib.request.Request(url, data=data)
        if data is not None:
            origin = urllib.parse.urlsplit(self.page.url)
            request.add_header("Origin", f"{origin.scheme}://{origin.netloc}")
            request.add_header("Referer", self.page.url)
        try:
            answer = self.opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        body = answer.read().decode("utf-8", "replace")
        self.page = Page(answer.geturl(), answer.status if hasattr(answer, "status") else answer.code, body)
        self.filled = {}
        return self.page

    def open(self, url):
        return self._fetch(urllib.parse.urljoin(self.page.url, url) if self.page else url)

    def reload(self):
        return self._fetch(self.page.url)

    def follow(self, words):
        """Follows the first link whose text contains the words."""
        for text, target in self.page.links:
            if words.lower() in text.lower():
                return self.open(html.unescape(target))
        raise Lost(f"no link '{words}' on {self.page.url}; links: {[t for t, _ in self.page.links]}")

    def fill(self, label, value):
        """Fills the field whose label contains the words; for a choice, picks the option that does."""
        for form in self.page.forms:
            for field in form.fields:
                if field.kind == "hidden" or label.lower() not in field.label.lower():
                    continue
                if field.kind == "select":
                    match = [v for v, words in field.options if value.lower() in words.lower() or value == v]
                    if not match:
                        raise Lost(f"no option '{value}' in '{label}': {[w for _, w in field.options]}")
                    field.value = match[0]
                elif field.kind in ("radio", "checkbox"):
                    if field.kind == "radio":
                        for other in form.fields:
                            if other.kind == "radio" and other.name == field.name:
                                other.checked = False
                    field.checked = True
                else:
                    field.value = value
                return
        raise Lost(f"no field '{label}' on {self.page.url}; fields: {[f.label for g in self.page.forms for f in g.fields]}")

    def choose(self, label):
        self.fill(label, "on")

    def press(self, words):
        """Submits the form by the button that contains the words."""
        for form in self.page.forms:
            for button in form.buttons:
                if words.lower() in button.label.lower():
                    pairs = []
                    for field in form.fields:
                        if field.name is None or (field.kind in ("radio", "checkbox") and not field.checked):
                            continue
                        pairs.append((field.name, field.value or ""))
                    if button.name:
                        pairs.append((button.name, button.value))
                    target = urllib.parse.urljoin(self.page.url, html.unescape(form.action) or self.page.url)
                    data = urllib.parse.urlencode(pairs)
                    if form.method == "post":
                        return self._fetch(target, data.encode())
                    return self._fetch(target + ("&" if "?" in target else "?") + data)
        raise Lost(f"no button '{words}' on {self.page.url}; buttons: {[b.label for g in self.page.forms for b in g.buttons]}")
