"""What an attacker might have a model say, and how to see whether any of it got through."""

from __future__ import annotations

from html.parser import HTMLParser

PAYLOADS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\x0c>alert(1)</script>",
    "</div></div><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</title></style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil.example/pixel.png'>",
    '<IMG SRC="jav\tascript:alert(1);">',
    "<img/src=`x`onerror=alert(1)>",
    "<img src=x:x onerror\n=\nalert(1)>",
    "![pixel](https://evil.example/pixel.png)",
    "![x](javascript:alert(1))",
    '![x](https://evil.example/" onerror="alert(1))',
    "![x][y]\n\n[y]: https://evil.example/pixel.png",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A&#x61vascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    '[x](https://a.example "title\\" onmouseover=alert(1) x=\\"")',
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    '<https://a.example/"onclick=alert(1)>',
    "<a href=javascript:alert(1)>x</a>",
    "<a href=' &#14; javascript:alert(1)'>x</a>",
    "<a href='//evil.example'>x</a>",
    "<a id=x name=y>clobber</a><form id=test><input name=attributes></form>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><image href='https://evil.example/x.png'></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math href='javascript:alert(1)'>x</math>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='https://evil.example/x.swf'></object>",
    "<embed src='https://evil.example/x.swf'>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<style>*{background:url(https://evil.example/x)}</style>",
    "<div style='background:url(https://evil.example/x)'>x</div>",
    "<div style='position:fixed;inset:0;z-index:9999'>over everything</div>",
    "<p style='width:expression(alert(1))'>x</p>",
    "<base href='https://evil.example/'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<button formaction='javascript:alert(1)'>x</button>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video src='https://evil.example/x.mp4' onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)></audio>",
    "<video poster='https://evil.example/x.png'></video>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<map><area href='https://evil.example'></map>",
    "<blockquote cite='https://evil.example'>x</blockquote>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<x onclick=alert(1)>x</x>",
    "`<script>alert(1)</script>`",
    "```html\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\ncode\n```',
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "# <img src=x onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    '<td style="text-align:left;background:url(https://evil.example)">x</td>',
    "\ud800<script>alert(1)</script>\x00<img src=x onerror=alert(1)>",
]

FORBIDDEN = {
    *["script", "style", "iframe", "object", "embed", "svg", "math", "link", "meta", "base"],
    *["form", "input", "button", "textarea", "video", "audio", "source", "template", "map"],
    *["area", "body", "frame", "frameset", "applet", "noscript", "title"],
}
_URLS = {"src", "href", "action", "formaction", "data", "poster", "cite", "background", "srcset"}


class Inspector(HTMLParser):
    """Lists what in a piece of HTML could act or call out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in FORBIDDEN:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            self._look_at(tag, name, (value or "").strip().lower())

    def _look_at(self, tag: str, name: str, value: str) -> None:
        if name.startswith("on") or name in {"id", "name", "srcdoc"}:
            self.found.append(f"<{tag} {name}>")
        if name == "style" and ("url(" in value or "expression" in value or "position" in value):
            self.found.append(f"<{tag} style={value}>")
        if name in _URLS and not self._may(tag, name, value):
            self.found.append(f"<{tag} {name}={value[:40]}>")

    @staticmethod
    def _may(tag: str, name: str, value: str) -> bool:
        if (tag, name) == ("a", "href"):
            return value.startswith(("http://", "https://", "mailto:"))
        return (tag, name) == ("img", "src") and value.startswith("data:image/")


def dangers(html: str) -> list[str]:
    """What in it could act, call out or cover the page; an empty list if nothing."""
    inspector = Inspector()
    inspector.feed(html)
    inspector.close()
    return inspector.found
