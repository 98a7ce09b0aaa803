import Foundation
import PluginKit

// For a file store.
extension ToChild {
    package static let putFile = WireCall<FileContent, StoredFile>(90)
    package static let headFile = WireCall<FileKey, StoredFile>(91)
    package static let readFile = WireCall<FileReading, FilePart>(92)
    package static let deleteFile = WireCall<FileKey, Nothing>(93)
    package static let listFiles = WireCall<FileListing, FilePage>(94)
    package static let beginUpload = WireCall<FileDeclaration, String>(95)
    package static let putPiece = WireCall<FilePiece, PieceReceipt>(96)
    package static let finishUpload = WireCall<UploadEnd, StoredFile>(97)
    package static let abandonUpload = WireCall<FileUpload, Nothing>(98)
    package static let presignFile = WireCall<PresignRequest, PresignedAddress>(99)
}

/// The folder of a plugin, which the server keeps.
extension ToHost {
    package struct FolderPiece: Codable, Sendable {
        package var name: String
        package var offset: Int64
        package var data: Data
        package init(name: String, offset: Int64, data: Data) {
            self.name = name
            self.offset = offset
            self.data = data
        }
    }
    package struct FolderPlace: Codable, Sendable {
        package var name: String
        package var offset: Int64
        package var max: Int
        package init(name: String, offset: Int64, max: Int) {
            self.name = name
            self.offset = offset
            self.max = max
        }
    }
    package struct FolderNames: Codable, Sendable {
        package var draft: String
        package var name: String
        package init(draft: String, name: String) {
            self.draft = draft
            self.name = name
        }
    }
    package struct FolderListing: Codable, Sendable {
        package var prefix: String
        package var after: String?
        package var limit: Int
        package init(prefix: String, after: String?, limit: Int) {
            self.prefix = prefix
            self.after = after
            self.limit = limit
        }
    }

    package static let folderWrite = WireCall<FolderPiece, Nothing>(170)
    package static let folderReadDraft = WireCall<FolderPlace, Data>(171)
    package static let folderPublish = WireCall<FolderNames, Nothing>(172)
    package static let folderDiscard = WireCall<String, Nothing>(173)
    package static let folderRead = WireCall<FolderPlace, Data>(174)
    package static let folderRemove = WireCall<String, Nothing>(175)
    package static let folderEntries = WireCall<FolderListing, [PluginFolderEntry]>(176)
}
