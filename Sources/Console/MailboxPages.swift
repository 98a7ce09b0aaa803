import Foundation
import HTTPEdge
import Notifications
import Vocabulary

/// The mails that this server would have sent. They hold links, so only loopback and platform administrators see them.
extension Console {
    var mailboxRoutes: [Route] {
        guard let mailbox = services.mailbox else { return [] }
        return [
            route(.get, "/mailbox", "mailbox", "Outgoing mails, kept as files.") { call in
                try allowMailbox(call)
                let mails = try mailbox.newest(limit: 100).map {
                    ["id": $0.id, "when": Spans.minute($0.sentAt), "to": $0.to, "subject": $0.subject]
                }
                return try page("mailbox", frame("Mailbox", call), ["mails": mails, "hasMails": !mails.isEmpty])
            },
            route(.get, "/mailbox/{mail}", "mail", "One mail.") { call in
                try allowMailbox(call)
                guard let name = call.parameters["mail"], let mail = try mailbox.read(name) else { throw CommonProblems.notFound }
                let lines = mail.text.split(separator: "\n").map { ["parts": MailWords.parts(String($0))] }
                return try page(
                    "mail", frame(mail.subject, call),
                    ["subject": mail.subject, "from": mail.from, "to": mail.to, "when": Spans.minute(mail.sentAt), "lines": lines])
            },
        ]
    }

    private func allowMailbox(_ call: Call) throws(Problem) {
        guard call.isLoopback || call.principal?.role == "platform_admin" else { throw CommonProblems.notFound }
    }
}

/// A mail's line, cut into words and links.
enum MailWords {
    static func parts(_ line: String) -> [[String: Any]] {
        line.split(separator: " ", omittingEmptySubsequences: false).flatMap { word -> [[String: Any]] in
            let isLink = word.hasPrefix("http://") || word.hasPrefix("https://")
            return [["text": String(word), "isLink": isLink], ["text": " ", "isLink": false]]
        }
    }
}
