import HTTPEdge
import Vocabulary

/// A page of tables with buttons and of forms, as people manage what is theirs.
struct Desk: Sendable {
    /// A link or a button in a row; `whom` is for those who hear the page.
    struct Way: Sendable {
        let words: String
        let target: String
        let whom: String
    }
    struct Row: Sendable {
        let cells: [String]
        var ways: [Way] = []
        var acts: [Way] = []
    }
    struct Table: Sendable {
        let anchor: String
        let caption: String
        let columns: [String]
        let rows: [Row]
        /// Other looks at the same, and the way on.
        var more: [(words: String, target: String)] = []
    }
    /// One figure, in words, and as a share of the longest bar.
    struct Bar: Sendable {
        let label: String
        let words: String
        let thousandths: Int
    }
    struct Chart: Sendable {
        let anchor: String
        let caption: String
        /// What the first two columns hold.
        let labels: [String]
        let bars: [Bar]
    }
    struct Form: Sendable {
        let anchor: String
        let title: String
        let action: String
        let fields: [FormField]
        /// What the fields hold already, by name.
        var values: [String: String] = [:]
        let button: String
        /// Its fields go into the address, and nothing is changed.
        var isQuestion = false
    }
    let heading: String
    var intro: [String] = []
    var shownOnce: (title: String, secret: String)?
    var facts: [(String, String)] = []
    var charts: [Chart] = []
    var tables: [Table] = []
    var forms: [Form] = []
    /// A form that brings a file.
    var upload: Form?
    /// What its script needs to know.
    var uploadTerms: UploadTerms?
    struct UploadTerms: Sendable {
        let script: String
        /// Where uploads are declared.
        let target: String
        let pieceBytes: Int64
        let mostBytes: Int64
        /// Where one is when it is done.
        let back: String
    }
    /// When the page loads itself again, and where.
    var refresh: String?
    var elsewhere: [(words: String, target: String)] = []

    /// What the template shows; values are escaped there.
    var values: [String: Any] {
        func shown(_ way: Way, _ target: String) -> [String: Any] { ["words": way.words, target: way.target, "whom": way.whom] }
        var all: [String: Any] = [
            "heading": heading, "intro": intro, "elsewhere": elsewhere.map { ["words": $0.words, "target": $0.target] },
            "tables": tables.map { table -> [String: Any] in
                [
                    "more": table.more.map { ["words": $0.words, "target": $0.target] }, "hasMore": !table.more.isEmpty,
                    "anchor": table.anchor, "caption": table.caption, "columns": table.columns, "hasRows": !table.rows.isEmpty,
                    "rows": table.rows.map { row -> [String: Any] in
                        let cells = row.cells.enumerated().map { place, text in
                            ["text": text, "label": place < table.columns.count ? table.columns[place] : ""]
                        }
                        return ["cells": cells, "ways": row.ways.map { shown($0, "target") }, "acts": row.acts.map { shown($0, "action") }]
                    },
                ]
            },
            "forms": ((upload.map { [$0] } ?? []) + forms).map { form -> [String: Any] in
                [
                    "isUpload": form.anchor == upload?.anchor,
                    "scripted": form.anchor == upload?.anchor ? uploadTerms.map { [$0.shown] } ?? [] : [], "isQuestion": form.isQuestion,
                    "anchor": form.anchor, "title": form.title, "action": form.action, "button": form.button,
                    "fields": form.fields.map { $0.shown(nil, nil, holding: form.values[$0.name] ?? "", in: form.anchor) },
                ]
            },
        ]
        if !facts.isEmpty { all["facts"] = ["rows": facts.map { ["name": $0.0, "value": $0.1] }] }
        all["charts"] = charts.map { chart -> [String: Any] in
            [
                "anchor": chart.anchor, "caption": chart.caption, "columns": chart.labels, "hasBars": !chart.bars.isEmpty,
                "bars": chart.bars.map {
                    [
                        "label": $0.label, "words": $0.words, "width": min(max($0.thousandths, 0), 1_000), "of": chart.labels.first ?? "",
                        "is": chart.labels.last ?? "",
                    ] as [String: Any]
                },
            ]
        }
        if let shownOnce { all["shownOnce"] = ["title": shownOnce.title, "secret": shownOnce.secret] }
        return all
    }
}

extension Desk.UploadTerms {
    fileprivate var shown: [String: Any] {
        ["script": script, "target": target, "piece": String(pieceBytes), "most": String(mostBytes), "back": back]
    }
}

extension Console {
    func desk(_ desk: Desk, _ call: Call) throws -> Reply {
        var frame = frame(desk.heading, call)
        frame.refresh = desk.refresh
        return try page("desk", frame, desk.values)
    }

    /// The caller, if it has the permission.
    func holder(of permission: Permission, _ call: Call) async throws -> Principal {
        let caller = try call.caller()
        try await authorizer.require(permission, of: caller, act: call.act)
        return caller
    }

    /// Where somebody looks after what.
    static let deskWays: [(words: String, target: String)] = [
        ("Members", "/people"), ("Your API keys", "/account/keys"), ("Your sessions", "/account/sessions"), ("Networks", "/networks"),
        ("Single sign-on", "/sso"), ("Your second factor", "/account/security"), ("Teams", "/teams"), ("Projects", "/projects"),
        ("Your workstation", "/workstation"), ("Usage", "/usage"), ("Mails", "/account/mails"), ("Leaving", "/leaving"),
    ]
}
