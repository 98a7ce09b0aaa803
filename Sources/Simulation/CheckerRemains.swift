import Composition
import Foundation
import HookEngine
import Vocabulary

/// What may not be left of those who are gone.
extension Checker {
    /// An erasure is work that a dead platform or a busy hour may put off.
    private static let erasureTakes = Duration.days(1)

    /// What nobody may read any more, each with its tenant: names and addresses of those who belonged to tenants that were purged and to no other,
    /// and of those who were erased.
    private func gone() async throws -> [String: String] {
        var words: [String: String] = [:]
        var stay: Set<String> = []
        for index in await run.households.indices {
            let home = await run.households[index]
            let isOver: Bool
            if let tenant = home.tenant {
                isOver = try await run.world.alive { try await $0.isPurged(tenant) } ?? false
            } else {
                isOver = false
            }
            for person in home.people.values {
                let isErased = person.erasedAt.map { $0 + Self.erasureTakes <= run.script.end } ?? false
                if isErased || isOver && person.belongsForGood {
                    words[person.email] = home.name
                    words[person.surname] = home.name
                } else if !isOver {
                    stay.insert(person.email)
                }
            }
        }
        for email in stay {
            words[email] = nil
            words[Inhabitant(email: email).surname] = nil
        }
        return words
    }

    /// Who was erased has no account left.
    func erasedWhoSignIn() async throws -> [(String, String)] {
        var findings: [(String, String)] = []
        for index in await run.households.indices {
            let home = await run.households[index]
            for person in home.people.values.sorted(by: { $0.email < $1.email }) {
                guard let at = person.erasedAt, at + Self.erasureTakes <= run.script.end else { continue }
                await run.update(index) { $0.people[person.email]?.signOut() }
                if try await Deeds(run: run, household: index).token(person.email) != nil {
                    findings.append((home.name, "\(person.email) was erased and signs in"))
                }
            }
        }
        return findings
    }

    /// Looks through every file of the run, its backups and the log of decisions.
    func remains() async throws -> [(String, String)] {
        let words = try await gone()
        guard !words.isEmpty else { return [] }
        let remains = Remains(words: Set(words.keys))
        var findings: [(String, String)] = []
        func find(_ found: Set<String>, _ place: String) {
            for word in found.sorted() { findings.append((words[word] ?? "", "\(word) was deleted and can be read in \(place)")) }
        }
        for folder in [run.world.data, run.world.backups] {
            for (file, found) in remains.find(in: folder) { find(found, "\(folder == run.world.data ? "the data" : "a backup"): \(file)") }
        }
        for record in run.world.decisions.all {
            let found = remains.find(in: Data(record.line().array))
            if !found.isEmpty { find(found, "a decision of \(record.hook)") }
        }
        return findings
    }
}
