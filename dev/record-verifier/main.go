// Verify-record checks a public record with the Go project's own libraries for transparency logs (golang.org/x/mod/sumdb),
// which share no code with Concord:
//
//	verify-record -dir FOLDER -key VKEY [-old FILE]
//	verify-record -proof FILE -entry FILE -key VKEY
//
// It opens the checkpoint, builds the tree from the entries, proves entries from the tiles alone, and, with -old, that the tree
// begins with an older checkpoint's. It prints the size, or says what is wrong and exits with 1. The second form checks a C2SP
// tlog-proof of one entry, without the record.
package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func main() {
	dir := flag.String("dir", "", "folder of the record")
	key := flag.String("key", "", "the log's public key")
	old := flag.String("old", "", "file with an older checkpoint")
	proof := flag.String("proof", "", "file with a proof")
	entry := flag.String("entry", "", "file with the entry that it is of")
	flag.Parse()
	check := func() (int64, error) { return verify(*dir, *key, *old) }
	if *proof != "" {
		check = func() (int64, error) { return verifyProof(*proof, *entry, *key) }
	}
	size, err := check()
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify-record:", err)
		os.Exit(1)
	}
	fmt.Println(size)
}

func verify(dir, key, old string) (int64, error) {
	tree, err := open(filepath.Join(dir, "checkpoint"), key)
	if err != nil {
		return 0, err
	}
	entries, err := readEntries(dir, tree.N)
	if err != nil {
		return 0, err
	}
	if err := rebuild(entries, tree); err != nil {
		return 0, err
	}
	tiles := tlog.TileHashReader(tree, &reader{dir: dir})
	for index, entry := range entries {
		// Every entry of a small record, and a sample of a large one.
		if len(entries) > 1000 && index%97 != 0 {
			continue
		}
		proof, err := tlog.ProveRecord(tree.N, int64(index), tiles)
		if err != nil {
			return 0, fmt.Errorf("entry %d: %w", index, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), tlog.RecordHash(entry)); err != nil {
			return 0, fmt.Errorf("entry %d: %w", index, err)
		}
	}
	if old == "" {
		return tree.N, nil
	}
	before, err := open(old, key)
	if err != nil {
		return 0, err
	}
	if before.N > tree.N {
		return 0, fmt.Errorf("the record has %d entries, and had %d", tree.N, before.N)
	}
	if before.N == 0 || before.N == tree.N {
		if before.N == tree.N && before.Hash != tree.Hash {
			return 0, errors.New("two trees of one size")
		}
		return tree.N, nil
	}
	proof, err := tlog.ProveTree(tree.N, before.N, tiles)
	if err != nil {
		return 0, err
	}
	return tree.N, tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash)
}

// verifyProof checks that a signed tree has the entry.
func verifyProof(file, entryFile, key string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	entry, err := os.ReadFile(entryFile)
	if err != nil {
		return 0, err
	}
	head, checkpoint, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return 0, errors.New("no proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return 0, err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, err
		}
		proof = append(proof, hash)
	}
	tree, err := openNote([]byte(checkpoint), key)
	if err != nil {
		return 0, err
	}
	return tree.N, tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

// open reads a signed checkpoint: origin, size, root.
func open(file, key string) (tlog.Tree, error) {
	message, err := os.ReadFile(file)
	if err != nil {
		return tlog.Tree{}, err
	}
	return openNote(message, key)
}

func openNote(message []byte, key string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(message, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("no checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func readEntries(dir string, size int64) ([][]byte, error) {
	var entries [][]byte
	for number := int64(0); number*256 < size; number++ {
		width := int(min(size-number*256, 256))
		tile := tlog.Tile{H: height, L: -1, N: number, W: width}
		data, err := os.ReadFile(filepath.Join(dir, path(tile)))
		if err != nil {
			return nil, err
		}
		found := 0
		for len(data) >= 2 {
			length := int(binary.BigEndian.Uint16(data))
			if len(data) < 2+length {
				break
			}
			entries = append(entries, data[2:2+length])
			data = data[2+length:]
			found++
		}
		if len(data) != 0 || found != width {
			return nil, fmt.Errorf("%s: %d entries of %d, %d bytes left", path(tile), found, width, len(data))
		}
	}
	return entries, nil
}

type stored []tlog.Hash

func (hashes stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = hashes[index]
	}
	return found, nil
}

// rebuild makes the tree of the entries and compares its root.
func rebuild(entries [][]byte, tree tlog.Tree) error {
	var hashes stored
	for index, entry := range entries {
		more, err := tlog.StoredHashes(int64(index), entry, hashes)
		if err != nil {
			return err
		}
		hashes = append(hashes, more...)
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("the entries are not those of the checkpoint")
	}
	return nil
}

// path is where tlog-tiles puts a tile; the library's paths have the height in them, and another word for entries.
func path(tile tlog.Tile) string {
	return strings.Replace(strings.Replace(tile.Path(), "tile/8/", "tile/", 1), "tile/data/", "tile/entries/", 1)
}

type reader struct{ dir string }

func (r *reader) Height() int { return height }

func (r *reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		bytes, err := os.ReadFile(filepath.Join(r.dir, path(tile)))
		if err != nil {
			return nil, err
		}
		data[i] = bytes
	}
	return data, nil
}

func (r *reader) SaveTiles([]tlog.Tile, [][]byte) {}
