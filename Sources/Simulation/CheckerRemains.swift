import Composition
import Foundation
import HookEngine
import Vocabulary

/// What may not be left of those who are gone.
extension Checker {
    /// The tenants that were purged, and what nobody may read any more: names and addresses of who belonged there and nowhere else.
    private func gone() async throws -> (tenants: [String], words: [String: String]) {
        var (over, words): ([String], [String: String]) = ([], [:])
        var stay: Set<String> = []
        for index in await run.households.indices {
            let home = await run.households[index]
            let isOver: Bool
            if let tenant = home.tenant {
                isOver = try await run.world.alive { try await $0.isPurged(tenant) } ?? false
            } else {
                isOver = false
            }
            guard isOver else {
                stay.formUnion(home.people.keys)
                continue
            }
            over.append(home.name)
            for person in home.people.values where person.belongsForGood {
                words[person.email] = home.name
                words[person.surname] = home.name
            }
        }
        for email in stay {
            words[email] = nil
            words[Inhabitant(email: email).surname] = nil
        }
        return (over, words)
    }

    /// Looks through every file of the run, its backups and the log of decisions.
    func remains() async throws -> [(String, String)] {
        let (tenants, words) = try await gone()
        guard !tenants.isEmpty else { return [] }
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
