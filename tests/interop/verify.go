// Verifies a Daybook log with code that is not Daybook's: filippo.io/torchwood and golang.org/x/mod/sumdb.
//
//	verify HUB POLICY OLD-CHECKPOINT
//
// POLICY is a tlog-policy with a quorum, OLD-CHECKPOINT an earlier note that the policy believes.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := verify(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func verify(hub, policyFile, oldFile string) error {
	text, err := os.ReadFile(policyFile)
	if err != nil {
		return err
	}
	policy, err := torchwood.ParsePolicy(text)
	if err != nil {
		return fmt.Errorf("the policy: %w", err)
	}
	signed, err := get(hub + "/log/checkpoint")
	if err != nil {
		return err
	}
	checkpoint, note, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	fmt.Printf("checkpoint of %d entries, %d signatures verified\n", checkpoint.N, len(note.Sigs))

	fetcher, err := torchwood.NewTileFetcher(hub + "/log")
	if err != nil {
		return err
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		return err
	}
	ctx := context.Background()
	var entries [][]byte
	for _, entry := range client.AllEntries(ctx, checkpoint.Tree, 0) {
		entries = append(entries, append([]byte(nil), entry...))
	}
	if err := client.Err(); err != nil {
		return fmt.Errorf("the entries: %w", err)
	}
	if int64(len(entries)) != checkpoint.N {
		return fmt.Errorf("%d entries of %d", len(entries), checkpoint.N)
	}
	fmt.Printf("%d entries are those of the root\n", len(entries))

	if err := consistent(ctx, fetcher, oldFile, policy, checkpoint.Tree); err != nil {
		return err
	}
	for index, entry := range entries {
		proof, err := get(fmt.Sprintf("%s/v1/events/%d/proof", hub, index))
		if err != nil {
			return err
		}
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), proof); err != nil {
			return fmt.Errorf("the proof of entry %d: %w", index, err)
		}
		other := append([]byte(nil), entry...)
		other[len(other)-1] ^= 1
		if torchwood.VerifyProof(policy, tlog.RecordHash(other), proof) == nil {
			return fmt.Errorf("the proof of entry %d holds for another", index)
		}
	}
	fmt.Printf("%d proofs hold, and for no other entry\n", len(entries))
	return nil
}

// consistent proves from the log's tiles that the newest tree continues an older one.
func consistent(ctx context.Context, tiles torchwood.TileReader, file string, policy torchwood.Policy, tree tlog.Tree) error {
	signed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	old, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return fmt.Errorf("the older checkpoint: %w", err)
	}
	hashes := torchwood.TileHashReaderWithContext(ctx, tree, tiles)
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return fmt.Errorf("the consistency proof: %w", err)
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return fmt.Errorf("the trees: %w", err)
	}
	fmt.Printf("the tree of %d entries continues that of %d\n", tree.N, old.N)
	return nil
}

func get(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s is answered with %s", url, answer.Status)
	}
	return body, err
}
